import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from '@msgpack/msgpack'
import { decodeEntry, encodeEntry } from '../log-entry.ts'
import { checkLock, checkResult } from './result-schema.ts'

const ROW = {
  ...{ ino: 2, mode: 0o100644, nlink: 1, uid: 0, gid: 0, rdev: 0, size: 0, blocks: 0 },
  ...{ atimeSec: 1, atimeNsec: 0, mtimeSec: 1, mtimeNsec: 0, ctimeSec: 1, ctimeNsec: 0 },
  ...{ parent: 1, version: 0 },
}
const EFFECTS = {
  ...{ attributes: [2], entries: [], contents: [], orphaned: [], purged: [], durable: [] },
}
const CHANGE = { seq: 7, origin: 'node-1', calls: [['name', 1, 'text', null]], effects: EFFECTS }

test('results of operations are checked by shape', () => {
  assert.equal(checkResult('create', ROW), ROW)
  assert.deepEqual(checkResult('rename', 'changed'), 'changed')
  assert.equal(checkResult('unlink', null), null)
  const malformed = [
    ['create', { ...ROW, mode: 'file' }, /create .* mode/],
    ['create', undefined, /create/],
    ['commitContent', {}, /commitContent .* version/],
    ['commitContent', { version: -1 }, /version/],
    ['markAllDurable', [true, 1], /markAllDurable .* 1/],
    ['reserveNumbers', '5', /reserveNumbers/],
    ['rename', { moved: 2 }, /rename/],
  ] as const
  for (const [name, value, message] of malformed) {
    assert.throws(() => checkResult(name, value), { code: 'EIO', message })
  }
})

test('a conflicting lock is checked by shape', () => {
  const lock = { kind: 'posix', type: 'read', start: 0, end: 9, pid: 4 } as const
  assert.deepEqual(checkLock(lock), lock)
  assert.equal(checkLock(null), undefined)
  assert.throws(() => checkLock({ ...lock, start: 'early' }), { code: 'EIO' })
})

test('a damaged entry of the change log fails with the reason', () => {
  const entry = { change: CHANGE, value: { version: 3 } }
  const good = encodeEntry(entry as unknown as Parameters<typeof encodeEntry>[0])
  assert.deepEqual(decodeEntry(good), entry)
  const damaged = [
    good.subarray(0, good.length - 1),
    new Uint8Array(),
    Uint8Array.of(0xc1),
    encode('text'),
    encode({ change: { ...CHANGE, seq: '7' }, value: 1 }),
    encode({ change: { ...CHANGE, effects: {} }, value: 1 }),
    encode({ change: { ...CHANGE, calls: [[]] } }),
  ]
  for (const bytes of damaged) {
    assert.throws(() => decodeEntry(bytes), { code: 'EIO', message: /change log is damaged/ })
  }
})

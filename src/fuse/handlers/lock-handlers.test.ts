/** Lock requests, byte by byte: `fuse_lk_in` and `fuse_lk_out` of linux/fuse.h. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NotStarted } from '../../base/suspended.ts'
import { LOCK_END, type FileLock } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import type { Exchange, ServedFileSystem } from './exchange.ts'
import { cleanUps, handlers } from './handlers.ts'
import { OPCODE, type OpcodeName } from '../wire/opcode.ts'
import { REPLY_HEADER_BYTES, ReplyWriter } from '../wire/reply-writer.ts'
import { RequestReader } from '../wire/request-reader.ts'

const OWNER = 'fedcba9876543210'
/** Handle 55. */
const HANDLE = '0000000000000037'
const OFFSET_MAX = 2n ** 63n - 1n

/** Runs a handler on a body of 48 bytes; `given`: 64-bit words by offset, and 32-bit words. */
function serve(
  fs: Partial<ServedFileSystem>,
  name: OpcodeName,
  given: { u64?: Record<number, bigint>; u32?: Record<number, number> },
  table: typeof handlers | typeof cleanUps = handlers,
) {
  const request = new RequestReader(4096)
  const body = Buffer.alloc(40 + 48)
  body.writeUInt32LE(body.length)
  body.writeUInt32LE(7, 16)
  for (const [at, value] of Object.entries(given.u64 ?? {})) {
    body.writeBigUInt64LE(value, 40 + Number(at))
  }
  for (const [at, value] of Object.entries(given.u32 ?? {})) {
    body.writeUInt32LE(value, 40 + Number(at))
  }
  request.load(body)
  const reply = new ReplyWriter(64)
  reply.bytes.fill(0xee)
  const exchange = { fs, caller: { uid: 1, gid: 2, pid: 3 }, request, reply }
  const result = table[OPCODE[name]]?.(exchange as unknown as Exchange)
  return { result, payload: reply.bytes.subarray(REPLY_HEADER_BYTES) }
}

const lockBody = (type: number, start: bigint, end: bigint, flags = 0) => ({
  u64: { 0: 55n, 8: 0xfedcba9876543210n, 16: start, 24: end },
  u32: { 32: type, 36: 4321, 40: flags },
})

test('setlk passes range, type, owner and process', () => {
  const seen: unknown[] = []
  const fs: Partial<ServedFileSystem> = {
    setLock: (_caller, ...rest) => void seen.push(rest),
  }
  assert.equal(serve(fs, 'SETLK', lockBody(1, 5n, 9n)).result, 0)
  assert.equal(serve(fs, 'SETLKW', lockBody(0, 0n, OFFSET_MAX, 1)).result, 0)
  assert.deepEqual(seen, [
    [
      7,
      OWNER,
      { kind: 'posix', type: 'write', start: 5, end: 9, pid: 4321 },
      { wait: false, handle: HANDLE },
    ],
    [
      7,
      HANDLE,
      { kind: 'flock', type: 'read', start: 0, end: LOCK_END, pid: 4321 },
      { wait: true, handle: HANDLE },
    ],
  ])
  assert.throws(() => serve(fs, 'SETLK', lockBody(3, 0n, 1n)), { code: 'EINVAL' })
  assert.throws(() => serve(fs, 'SETLK', lockBody(1, 2n ** 60n, OFFSET_MAX)), { code: 'EOVERFLOW' })
  assert.throws(() => serve({}, 'SETLK', lockBody(1, 0n, 1n)), { code: 'ENOSYS' })
})

test('getlk returns the conflicting lock, up to the end of the file, or none', () => {
  const lock: FileLock = { kind: 'posix', type: 'write', start: 2 ** 33, end: LOCK_END, pid: 99 }
  const ask = (found: FileLock | undefined) => {
    const { result, payload } = serve({ getLock: () => found }, 'GETLK', lockBody(0, 0n, 1n))
    return payload.toString('hex', 0, Number(result))
  }
  assert.equal(ask(lock), '0000000002000000' + 'ffffffffffffff7f' + '01000000' + '63000000')
  const read: FileLock = { ...lock, type: 'read', start: 1, end: 2 }
  assert.equal(ask(read), '0100000000000000' + '0200000000000000' + '00000000' + '63000000')
  assert.equal(ask(undefined), '00'.repeat(16) + '02000000' + '00000000')
})

test('FLUSH releases record locks after the data is flushed, even if that fails', () => {
  const seen: string[] = []
  const fs: Partial<ServedFileSystem> = {
    flush: () => void seen.push('flush'),
    releaseLocks: (_caller, ino, owner, kind) => void seen.push(`${ino} ${owner} ${kind}`),
  }
  const body = { u64: { 16: 0xfedcba9876543210n } }
  serve(fs, 'FLUSH', body)
  assert.deepEqual(seen.splice(0), ['flush', `7 ${OWNER} posix`])
  fs.flush = () => {
    throw new FsError('ENOSPC', 'full')
  }
  assert.throws(() => serve(fs, 'FLUSH', body), { code: 'ENOSPC' })
  assert.deepEqual(seen.splice(0), [`7 ${OWNER} posix`])
  fs.flush = () => {
    throw new NotStarted('later')
  }
  assert.throws(() => serve(fs, 'FLUSH', body), NotStarted)
  assert.deepEqual(seen.splice(0), [])
  serve(fs, 'FLUSH', body, cleanUps)
  assert.deepEqual(seen.splice(0), [`7 ${OWNER} posix`])
})

test('RELEASE releases a flock, if there was one, before the handle', () => {
  const seen: string[] = []
  const fs: Partial<ServedFileSystem> = {
    release: (_caller, ino, handle) => void seen.push(`${ino} ${handle}`),
    releaseLocks: (_caller, _ino, owner, kind) => void seen.push(`${owner} ${kind}`),
    releaseOpened: (_caller, ino, handle) => void seen.push(`${ino} ${handle} is released`),
  }
  const body = (flags: number) => ({
    u64: { 0: 55n, 16: 0xfedcba9876543210n },
    u32: { 12: flags },
  })
  serve(fs, 'RELEASE', body(2))
  serve(fs, 'RELEASE', body(1))
  serve(fs, 'RELEASE', body(2), cleanUps)
  const gone = `7 ${HANDLE} is released`
  assert.deepEqual(seen, [gone, `${HANDLE} flock`, '7 55', gone, '7 55', '7 55'])
})

test('of abandoned requests, only releases are executed', () => {
  const seen: unknown[] = []
  const fs: Partial<ServedFileSystem> = {
    setLock: (_caller, _ino, _owner, { type }, { wait }) => void seen.push([type, wait]),
  }
  serve(fs, 'SETLKW', lockBody(1, 0n, 9n), cleanUps)
  serve(fs, 'SETLKW', lockBody(2, 0n, 9n), cleanUps)
  serve(fs, 'GETLK', lockBody(2, 0n, 9n), cleanUps)
  assert.deepEqual(seen, [['unlock', false]])
})

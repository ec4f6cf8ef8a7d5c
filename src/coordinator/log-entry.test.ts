/**
 * Tests of the entries of the change log.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from '@msgpack/msgpack'
import type { Change } from '../metadata/change.ts'
import { effectsOf } from '../metadata/effects.ts'
import { decodeEntry, encodeEntry } from './log-entry.ts'

const effects = effectsOf('dropSetId', [7, false, { sec: 1, nsec: 2 }], undefined)
const change: Change = { seq: 1, origin: 'n1', calls: [['inode.updateMode', 1, 2, 3, 7]], effects }

test('an entry is read as it was written, with any result', () => {
  for (const value of [undefined, null, 7, { ino: 7 }, [true]]) {
    const read = decodeEntry(encodeEntry({ change, value }))
    assert.deepEqual(read.change, change)
    assert.deepEqual(read.value, value)
  }
})

test('a damaged entry is EIO', () => {
  for (const bytes of [Buffer.from([0xc1]), encode({ change: { ...change, seq: 'one' } })]) {
    assert.throws(() => decodeEntry(bytes), { code: 'EIO' })
  }
})

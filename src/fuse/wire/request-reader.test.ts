/** Decoding of requests, byte by byte. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownCopy } from '../../base/borrowed-bytes.ts'
import { RequestReader } from './request-reader.ts'

/** `fuse_in_header` of 40 bytes, then a body. */
function requestOf(hex: string): RequestReader {
  const reader = new RequestReader(4096)
  reader.load(Buffer.from(hex.replaceAll(/\s+/g, ''), 'hex'))
  return reader
}

/** LOOKUP (1) of 52 bytes; each line is one group of fields. */
const LOOKUP = `
  34000000 01000000
  0a000000 00000080
  07000000 01000000
  e8030000 e9030000 2a000000
  0000 0000
  6e616d65 2d6f662d 35623000`

test('the header of a request', () => {
  const request = requestOf(LOOKUP)
  assert.equal(request.length, 52)
  assert.equal(request.opcode, 1)
  assert.equal(request.nodeid, 7 + 2 ** 32)
  assert.deepEqual([request.uid, request.gid, request.pid], [1000, 1001, 42])
  assert.equal(request.end, 52)
  assert.equal(Buffer.from(request.name(0)).toString(), 'name-of-5b0')
})

test('a resent request keeps its number and returns the top bit', () => {
  const request = requestOf(LOOKUP)
  assert.equal(request.unique, 10)
  assert.deepEqual([request.uniqueLow, request.uniqueHigh], [10, 0x80000000])
})

test('extensions do not belong to the body', () => {
  const request = requestOf(LOOKUP.replace('\n  0000 0000', '\n  0100 0000'))
  assert.equal(request.end, 44)
  assert.throws(() => request.name(0), { code: 'EINVAL' })
})

test('numbers of 32 and 64 bits, signed and unsigned', () => {
  const header = `60000000 04000000 ${'00000000'.repeat(8)}`
  const request = requestOf(`${header}
    ffffffff 00000000
    ffffffff ffff1f00
    feffffff ffffffff
    00000000 ffffffff
    0b000000 00000080`)
  assert.equal(request.u32(0), 0xffffffff)
  assert.equal(request.u64(8), Number.MAX_SAFE_INTEGER)
  assert.equal(request.i64(8), Number.MAX_SAFE_INTEGER)
  assert.equal(request.i64(16), -2)
  assert.equal(request.i64(24), -(2 ** 32))
  assert.equal(request.uniqueAt(32), 11)
})

test('names and data beyond the end of the request are rejected', () => {
  const header = `30000000 10000000 ${'00000000'.repeat(8)}`
  const request = requestOf(`${header} 6162636465666768 00`)
  assert.throws(() => request.name(0), { code: 'EINVAL' })
  assert.equal(Buffer.from(ownCopy(request.data(0, 8))).toString(), 'abcdefgh')
  assert.throws(() => request.data(0, 9), { code: 'EINVAL' })
})

test('a name is at most 255 bytes long, a symlink target may be longer', () => {
  const bytes = Buffer.alloc(40 + 257, 'n')
  bytes.fill(0, 0, 40)
  bytes.writeUInt32LE(bytes.length)
  bytes[bytes.length - 1] = 0
  const request = new RequestReader(4096)
  request.load(bytes)
  assert.throws(() => request.name(0), { code: 'ENAMETOOLONG' })
  assert.equal(request.name(1).length, 255)
  assert.equal(request.text(0).length, 256)
})

test('names and copies of data survive the next request', () => {
  const request = requestOf(LOOKUP)
  const name = request.name(0)
  const data = ownCopy(request.data(0, 11))
  request.bytes.fill(0x78)
  for (const kept of [name, data]) assert.equal(Buffer.from(kept).toString(), 'name-of-5b0')
})

test('a copy has its own memory', () => {
  const request = requestOf(LOOKUP)
  const copy = request.copy()
  request.bytes.fill(0)
  assert.equal(copy.length, 52)
  request.load(copy)
  assert.equal(Buffer.from(request.name(0)).toString(), 'name-of-5b0')
})

/** INIT with old, current and unusual kernels. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../limits.ts'
import { canPassThrough, negotiate } from './handshake.ts'
import { OPCODE } from './opcode.ts'
import { REPLY_HEADER_BYTES, ReplyWriter } from './reply-writer.ts'
import { RequestReader } from './request-reader.ts'
import { INIT, INIT2 } from './wire-flags.ts'

const EVERYTHING = 0xffffffff
/** Agreement with a current kernel for an unshared file system. */
const ALONE = INIT2.HAS_RESEND | INIT2.DIRECT_IO_ALLOW_MMAP

function initOf(
  major: number,
  minor: number,
  flags = EVERYTHING,
  flags2 = EVERYTHING,
  options: { remoteLocks?: boolean; passthrough?: boolean } = {},
) {
  const words = new Uint32Array(26)
  words.set([104, OPCODE.INIT, 2])
  words.set([major, minor, 128 * 1024, flags, flags2], 10)
  const request = new RequestReader(4096)
  request.load(new Uint8Array(words.buffer))
  const reply = new ReplyWriter(64)
  reply.bytes.fill(0xee)
  const result = negotiate(request, reply, options)
  return { ...result, payload: reply.bytes.subarray(REPLY_HEADER_BYTES) }
}

test('a current kernel gets the wanted features and no others', () => {
  const { negotiated, payload, payloadBytes } = initOf(7, 46)
  assert.ok(negotiated)
  assert.deepEqual([negotiated.minor, negotiated.kernelMinor], [45, 46])
  assert.equal(negotiated.maxWriteBytes, 1 << 20)
  assert.equal(payloadBytes, 64)
  assert.deepEqual([payload.readUInt32LE(0), payload.readUInt32LE(4)], [7, 45])
  const flags = payload.readUInt32LE(12)
  assert.equal(flags, negotiated.flags)
  for (const unwanted of [1, 2, 10, 12, 15, 16, 20, 24, 29, 31])
    assert.equal((flags >>> unwanted) & 1, 0)
  assert.ok(flags & INIT.EXPLICIT_INVAL_DATA)
  assert.equal(payload.readUInt32LE(32), ALONE)
  assert.equal(payload.readUInt16LE(16), limits.fuseMaxBackground)
  assert.equal(payload.readUInt16LE(18), limits.fuseCongestionThreshold)
  assert.equal(payload.readUInt32LE(20), 1 << 20)
  assert.equal(payload.readUInt32LE(24), 1)
  assert.equal(payload.readUInt16LE(28), 256)
})

test('no feature is agreed that the kernel does not offer', () => {
  const { negotiated } = initOf(7, 31, INIT.ASYNC_READ | INIT.BIG_WRITES)
  assert.equal(negotiated?.flags, INIT.ASYNC_READ | INIT.BIG_WRITES)
  assert.equal(negotiated.flags2, 0)
  assert.equal(negotiated.maxWriteBytes, 128 * 1024)
})

test('a kernel that is too old is an error with an explanation', () => {
  assert.throws(() => initOf(7, 30), { code: 'EOPNOTSUPP', message: /7\.30; 7\.31 \(Linux 5\.4\)/ })
  assert.throws(() => initOf(6, 99), { code: 'EOPNOTSUPP' })
})

test('a kernel with a newer major version gets ours and sends INIT again', () => {
  const { negotiated, payload } = initOf(8, 1)
  assert.equal(negotiated, undefined)
  assert.equal(payload.readUInt32LE(0), 7)
})

test('a shared file system gets lock requests and READDIRPLUS_AUTO', () => {
  const { negotiated } = initOf(7, 45, EVERYTHING, EVERYTHING, { remoteLocks: true })
  const own = initOf(7, 45).negotiated
  assert.equal(
    negotiated!.flags & ~own!.flags,
    INIT.POSIX_LOCKS | INIT.FLOCK_LOCKS | INIT.READDIRPLUS_AUTO,
  )
  assert.equal(
    negotiated!.flags2,
    INIT2.HAS_RESEND,
    'no mapping of direct I/O in a shared file system',
  )
  const old = initOf(7, 45, INIT.ASYNC_READ, 0, { remoteLocks: true })
  assert.equal(old.negotiated?.flags, INIT.ASYNC_READ)
})

test('passthrough needs the consent of the file system and of the kernel', () => {
  const { negotiated, payload } = initOf(7, 45, EVERYTHING, EVERYTHING, { passthrough: true })
  assert.ok(canPassThrough(negotiated!))
  assert.equal(payload.readUInt32LE(32), ALONE | INIT2.PASSTHROUGH)
  assert.equal(payload.readUInt32LE(36), 1)
  const old = initOf(7, 39, EVERYTHING, INIT2.HAS_RESEND, { passthrough: true })
  assert.ok(!canPassThrough(old.negotiated!))
  assert.equal(old.payload.readUInt32LE(36), 0)
  assert.ok(!canPassThrough(initOf(7, 45).negotiated!))
})

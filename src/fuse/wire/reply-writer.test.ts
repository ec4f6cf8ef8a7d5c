/** Encoding of replies, byte by byte. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attributes } from '../../filesystem/inode-file-system.ts'
import { DirectoryWriter } from './directory-writer.ts'
import { entryInvalidation, inodeInvalidation } from './notification.ts'
import { REPLY_HEADER_BYTES, ReplyWriter, validityOf } from './reply-writer.ts'

const attributes: Attributes = {
  ino: 2 ** 53 - 1,
  mode: 0o100644,
  nlink: 2,
  uid: 1000,
  gid: 1001,
  rdev: 0x103,
  size: 2 ** 32 + 5,
  blocks: 9,
  atimeSec: -1,
  atimeNsec: 999_999_999,
  mtimeSec: 1,
  mtimeNsec: 2,
  ctimeSec: -(2 ** 33),
  ctimeNsec: 3,
}

/** `fuse_attr` of these attributes. */
const ATTRIBUTES = `
  ffffffff ffff1f00 05000000 01000000 09000000 00000000
  ffffffff ffffffff 01000000 00000000 00000000 feffffff
  ffc99a3b 02000000 03000000
  a4810000 02000000 e8030000 e9030000 03010000 00100000 00000000`

function assertPayload(reply: ReplyWriter, length: number, hex: string): void {
  const payload = reply.bytes.subarray(REPLY_HEADER_BYTES, REPLY_HEADER_BYTES + length)
  assert.equal(payload.toString('hex'), hex.replaceAll(/\s+/g, ''))
}

/** A writer with a dirty buffer, as after many replies. */
function dirtyWriter(sizeBytes = 4096): ReplyWriter {
  const reply = new ReplyWriter(sizeBytes)
  reply.bytes.fill(0xee)
  return reply
}

test('header', () => {
  const reply = dirtyWriter()
  reply.header(16, -2, 10, 0x80000000)
  assert.equal(reply.bytes.toString('hex', 0, 16), '10000000feffffff0a00000000000080')
})

test('attributes with their validity', () => {
  const reply = dirtyWriter()
  const length = reply.putAttributes(attributes, validityOf(1500))
  assertPayload(reply, length, `01000000 00000000 0065cd1d 00000000 ${ATTRIBUTES}`)
})

test('an entry and a negative entry', () => {
  const reply = dirtyWriter()
  const length = reply.putEntry(attributes, validityOf(2000), validityOf(0.5))
  const head = `ffffffff ffff1f00 00000000 00000000 02000000 00000000 00000000 00000000
    00000000 20a10700`
  assertPayload(reply, length, `${head} ${ATTRIBUTES}`)
  const negative = reply.putNegativeEntry(validityOf(250))
  assertPayload(reply, negative, `${'00'.repeat(32)} 80b2e60e 00000000 ${'00'.repeat(88)}`)
})

test('an infinite validity is a number that the kernel can add to its clock', () => {
  assert.deepEqual(validityOf(Infinity), { sec: 2 ** 31, nsec: 0 })
  assert.deepEqual(validityOf(-1), { sec: 0, nsec: 0 })
})

test('an opened file', () => {
  const reply = dirtyWriter()
  assertPayload(
    reply,
    reply.putOpened(0, {
      handle: 2 ** 32 + 1,
      directIo: true,
      keepCache: true,
      cacheDirectory: true,
    }),
    '01000000 01000000 0b000000 00000000',
  )
  assertPayload(reply, reply.putOpened(0, { handle: 7 }), '07000000 00000000 00000000 00000000')
})

test('statistics of the file system', () => {
  const reply = dirtyWriter()
  const length = reply.putStatistics({
    blockSize: 4096,
    blocks: 1,
    blocksFree: 2,
    blocksAvailable: 3,
    files: 4,
    filesFree: 5,
    nameMax: 255,
  })
  assertPayload(
    reply,
    length,
    `01000000 00000000 02000000 00000000 03000000 00000000 04000000 00000000 05000000 00000000
     00100000 ff000000 00100000 00000000 ${'00'.repeat(24)}`,
  )
})

test('directory entries are padded and stay within the requested size', () => {
  const reply = dirtyWriter()
  const directory = new DirectoryWriter(reply, validityOf(0), validityOf(0))
  directory.start(false, 64)
  assert.ok(directory.add(Buffer.from('abc'), 5, 0o100644, 1))
  assert.ok(directory.add(Buffer.from('12345678'), 6, 0o040000, 2))
  assert.ok(!directory.add(Buffer.from('x'), 7, 0o100000, 3))
  assertPayload(
    reply,
    directory.length,
    `05000000 00000000 01000000 00000000 03000000 08000000 6162630000000000
     06000000 00000000 02000000 00000000 08000000 04000000 3132333435363738`,
  )
})

test('directory entries with attributes; . and .. have none', () => {
  const reply = dirtyWriter()
  const directory = new DirectoryWriter(reply, validityOf(0), validityOf(0))
  directory.start(true, 320)
  assert.ok(directory.add(Buffer.from('.'), 1, 0o040000, 1))
  assert.ok(directory.add(Buffer.from('f'), attributes.ino, 0o100000, 2, attributes))
  assert.ok(!directory.add(Buffer.from('g'), 9, 0o100000, 3, attributes))
  assertPayload(
    reply,
    directory.length,
    `${'00'.repeat(128)} 01000000 00000000 01000000 00000000 01000000 04000000 2e00000000000000
     ffffffff ffff1f00 ${'00'.repeat(32)} ${ATTRIBUTES}
     ffffffff ffff1f00 02000000 00000000 01000000 08000000 6600000000000000`,
  )
})

test('notifications', () => {
  assert.equal(
    Buffer.from(inodeInvalidation(5, -1, 0)).toString('hex'),
    '2800000002000000' + '00'.repeat(8) + '0500000000000000' + 'ff'.repeat(8) + '00'.repeat(8),
  )
  assert.equal(
    Buffer.from(entryInvalidation(1, Buffer.from('ab'))).toString('hex'),
    '2300000003000000' + '00'.repeat(8) + '0100000000000000' + '0200000000000000' + '616200',
  )
})

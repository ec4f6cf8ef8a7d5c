/**
 * Messages to the kernel that answer nothing: forget what you have cached. They have the shape of a
 * reply whose `unique` is 0 and whose error field holds the code. Bytes only; who may send them and
 * from where is written down in kernel-notifier.ts.
 */
import { FsError } from '../base/fs-error.ts'
import { limits } from '../limits.ts'
import { REPLY_HEADER_BYTES, ReplyWriter } from './reply-writer.ts'
import { NOTIFY } from './wire-flags.ts'

/**
 * Pages of `ino` from `offset` on (`length` 0: to the end) and its attributes are stale. A negative
 * `offset` drops the attributes alone.
 */
export function inodeInvalidation(ino: number, offset: number, length: number): Uint8Array {
  const message = new ReplyWriter(24)
  message.u64(0, ino)
  message.u64(8, offset)
  message.u64(16, length)
  return seal(message, NOTIFY.INVAL_INODE, 24)
}

/** What the kernel remembers about the name `name` in directory `parent`, present or absent. */
export function entryInvalidation(parent: number, name: Uint8Array): Uint8Array {
  if (name.length === 0 || name.length > limits.nameBytes) {
    throw new FsError('EINVAL', `a directory entry's name has 1 to ${limits.nameBytes} bytes`)
  }
  const sizeBytes = 16 + name.length + 1
  const message = new ReplyWriter(sizeBytes)
  message.u64(0, parent)
  message.u32(8, name.length)
  message.u32(12, 0)
  message.bytes.set(name, REPLY_HEADER_BYTES + 16)
  return seal(message, NOTIFY.INVAL_ENTRY, sizeBytes)
}

/** What was read from the connection and not answered is to be read once more. */
export function resend(): Uint8Array {
  return seal(new ReplyWriter(8), NOTIFY.RESEND, 0)
}

/** What the kernel remembers of names is stale, of all of them. */
export function newEpoch(): Uint8Array {
  return seal(new ReplyWriter(8), NOTIFY.INC_EPOCH, 0)
}

function seal(message: ReplyWriter, code: number, payloadBytes: number): Uint8Array {
  const length = REPLY_HEADER_BYTES + payloadBytes
  message.header(length, code, 0, 0)
  return message.bytes.subarray(0, length)
}

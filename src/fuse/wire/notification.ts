/**
 * Encodes notifications, which invalidate kernel caches: the layout of a reply with `unique` 0 and
 * the notification code in the error field. Only bytes; fuse/kernel-notifier.ts defines which
 * thread may send them.
 */
import { FsError } from '../../base/fs-error.ts'
import { baseLimits } from '../../base/limits.ts'
import { REPLY_HEADER_BYTES, ReplyWriter } from './reply-writer.ts'
import { NOTIFY } from './wire-flags.ts'

/**
 * Invalidates the pages of `ino` from `offset` (`length` 0: to the end) and its attributes. A
 * negative `offset` invalidates only the attributes.
 */
export function inodeInvalidation(ino: number, offset: number, length: number): Uint8Array {
  const message = new ReplyWriter(24)
  message.u64(0, ino)
  message.u64(8, offset)
  message.u64(16, length)
  return seal(message, NOTIFY.INVAL_INODE, 24)
}

/**
 * Invalidates the entry `name` of directory `parent`, whether it is cached as present or absent.
 */
export function entryInvalidation(parent: number, name: Uint8Array): Uint8Array {
  if (name.length === 0 || name.length > baseLimits.nameBytes) {
    throw new FsError('EINVAL', `the name of an entry must have 1 to ${baseLimits.nameBytes} bytes`)
  }
  const sizeBytes = 16 + name.length + 1
  const message = new ReplyWriter(sizeBytes)
  message.u64(0, parent)
  message.u32(8, name.length)
  message.u32(12, 0)
  message.bytes.set(name, REPLY_HEADER_BYTES + 16)
  return seal(message, NOTIFY.INVAL_ENTRY, sizeBytes)
}

/** Makes the kernel resend all requests that were read from the connection and not answered. */
export function resend(): Uint8Array {
  return seal(new ReplyWriter(8), NOTIFY.RESEND, 0)
}

/** Invalidates all cached names. */
export function newEpoch(): Uint8Array {
  return seal(new ReplyWriter(8), NOTIFY.INC_EPOCH, 0)
}

function seal(message: ReplyWriter, code: number, payloadBytes: number): Uint8Array {
  const length = REPLY_HEADER_BYTES + payloadBytes
  message.header(length, code, 0, 0)
  return message.bytes.subarray(0, length)
}

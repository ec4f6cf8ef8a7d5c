/**
 * Handlers of requests on open files and directories: read, write, list, sync, release. Data is not
 * copied here: reads write directly into the reply, writes take it directly from the request; the
 * file system borrows both buffers.
 */
import { constants } from 'node:fs'
import { Suspended } from '../../base/suspended.ts'
import { O_APPEND, O_DSYNC } from '../../base/open-bits.ts'
import { FsError } from '../../base/fs-error.ts'
import type { WriteMode } from '../../filesystem/inode-file-system.ts'
import type { Exchange } from './exchange.ts'
import { releaseOpened, releaseRecordLocks } from './lock-handlers.ts'
import { FSYNC_FDATASYNC, OPEN_KILL_SUIDGID, READ_LOCKOWNER, WRITE } from '../wire/wire-flags.ts'

export function handleOpen(x: Exchange): number {
  const { request } = x
  const killSetId = (request.u32(4) & OPEN_KILL_SUIDGID) !== 0
  const opened = x.fs.open(x.caller, request.nodeid, request.u32(0), killSetId)
  return x.reply.putOpened(0, opened)
}

export function handleRead(x: Exchange): number {
  const { request, reply } = x
  const sizeBytes = request.u32(16)
  if (sizeBytes > reply.capacity) throw new FsError('EIO', `a read of ${sizeBytes} bytes`)
  const target = reply.target(sizeBytes)
  // A read that bypasses the page cache names a lock owner; a read that fills the cache does not.
  const fillsPages = (request.u32(20) & READ_LOCKOWNER) === 0
  return x.fs.read(x.caller, request.nodeid, request.u64(0), request.u64(8), target, fillsPages)
}

/** One shared object per combination of flags, so that a request allocates none. */
const WRITE_MODES: readonly WriteMode[] = Array.from({ length: 32 }, (_, bits) => ({
  append: (bits & 1) !== 0,
  killSetId: (bits & 2) !== 0,
  writeback: (bits & 4) !== 0,
  bypassesPages: (bits & 8) !== 0,
  sync: (bits & 16) !== 0,
}))

export function handleWrite(x: Exchange): number {
  const { request } = x
  const writeFlags = request.u32(20)
  const source = request.data(40, request.u32(16))
  // Pages written back from a mapping have their exact offset; the kernel only guesses the handle.
  const writeback = (writeFlags & WRITE.CACHE) !== 0
  const openFlags = request.u32(32)
  const append = !writeback && (openFlags & O_APPEND) !== 0
  const bypassesPages = !writeback && (openFlags & constants.O_DIRECT) !== 0
  const killSetId = (writeFlags & WRITE.KILL_SUIDGID) !== 0
  // O_DSYNC of the descriptor, or of this write alone (pwritev2(2)).
  const sync = !writeback && (openFlags & O_DSYNC) !== 0
  const bits =
    (append ? 1 : 0) +
    (killSetId ? 2 : 0) +
    (writeback ? 4 : 0) +
    (bypassesPages ? 8 : 0) +
    (sync ? 16 : 0)
  const offset = request.u64(8)
  const mode = WRITE_MODES[bits]!
  const written = x.fs.write(x.caller, request.nodeid, request.u64(0), offset, source, mode)
  return x.reply.putU32(written)
}

/**
 * Sent at each close of a descriptor; POSIX releases all record locks of the process on the file.
 */
export function handleFlush(x: Exchange): number {
  try {
    x.fs.flush(x.caller, x.request.nodeid, x.request.u64(0))
  } catch (error) {
    if (!(error instanceof Suspended)) releaseRecordLocks(x)
    throw error
  }
  // After the flush, so that the next holder of a lock finds the data written under it.
  releaseRecordLocks(x)
  return 0
}

export function handleRelease(x: Exchange): number {
  // Before the release: this may be suspended, and the handle can be released only once.
  releaseOpened(x)
  x.fs.release(x.caller, x.request.nodeid, x.request.u64(0))
  return 0
}

export function handleFsync(x: Exchange): number {
  const dataOnly = (x.request.u32(8) & FSYNC_FDATASYNC) !== 0
  x.fs.fsync(x.caller, x.request.nodeid, x.request.u64(0), dataOnly)
  return 0
}

export function handleFallocate(x: Exchange): number {
  const { request } = x
  const offset = request.u64(8)
  const length = request.u64(16)
  x.fs.fallocate(x.caller, request.nodeid, request.u64(0), offset, length, request.u32(24))
  return 0
}

export function handleLseek(x: Exchange): number {
  const { request } = x
  const offset = request.i64(8)
  // ENXIO is also the result for an offset before the start of the file: lseek(2), SEEK_DATA.
  if (offset < 0) throw new FsError('ENXIO', 'the offset is before the start of the file')
  const whence = request.u32(16)
  return x.reply.putU64(x.fs.lseek(x.caller, request.nodeid, request.u64(0), offset, whence))
}

export function handleOpendir(x: Exchange): number {
  return x.reply.putOpened(0, x.fs.opendir(x.caller, x.request.nodeid))
}

export function handleReaddir(x: Exchange): number {
  return readdir(x, false)
}

export function handleReaddirplus(x: Exchange): number {
  return readdir(x, true)
}

function readdir(x: Exchange, plus: boolean): number {
  const { request, directory } = x
  directory.start(plus, request.u32(16))
  x.fs.readdir(x.caller, request.nodeid, request.u64(0), request.u64(8), directory)
  return directory.length
}

export function handleReleasedir(x: Exchange): number {
  x.fs.releasedir(x.caller, x.request.nodeid, x.request.u64(0))
  return 0
}

export function handleFsyncdir(x: Exchange): number {
  const dataOnly = (x.request.u32(8) & FSYNC_FDATASYNC) !== 0
  x.fs.fsyncdir(x.caller, x.request.nodeid, x.request.u64(0), dataOnly)
  return 0
}

export function handleStatfs(x: Exchange): number {
  return x.reply.putStatistics(x.fs.statfs(x.caller))
}

export function handleSyncfs(x: Exchange): number {
  x.fs.syncfs?.(x.caller)
  return 0
}

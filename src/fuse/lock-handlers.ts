/**
 * Requests about file locks, of fcntl(2) and flock(2): asked only where `remoteLocks` was agreed
 * with the kernel, which then keeps none itself. The owner of a record lock stands for a process,
 * and ends with FLUSH, which names the owner of the descriptor that is closed. A flock is owned by
 * an open file, and ends with its RELEASE: that comes after close(2) has returned, when the kernel
 * may have given the number that it calls the owner to another file. So its owner is the handle
 * here, which no other open has. The kernel forgets a lock with its process only by those two.
 */
import { LOCK_END, type FileLock } from '../base/file-lock.ts'
import { FsError } from '../base/fs-error.ts'
import type { Exchange } from './exchange.ts'
import type { RequestReader } from './request-reader.ts'
import { LK_FLOCK, LOCK_TYPES, RELEASE_FLOCK_UNLOCK } from './wire-flags.ts'

/** In `fuse_lk_in` and `fuse_release_in`. */
const HANDLE_AT = 0

export function handleGetlk(x: Exchange): number {
  const { request } = x
  if (x.fs.getLock === undefined) throw notKept()
  const lock = lockOf(request)
  const found = x.fs.getLock(x.caller, request.nodeid, ownerOf(request, lock), lock)
  return x.reply.putLock(found)
}

export function handleSetlk(x: Exchange): number {
  return setLock(x, false)
}

export function handleSetlkw(x: Exchange): number {
  return setLock(x, true)
}

/** A lock that a process gives back is gone, even if it does not wait for the answer. */
export function unlockAnyway(x: Exchange): void {
  if (LOCK_TYPES[x.request.u32(32)] === 'unlock') setLock(x, false)
}

export function releaseRecordLocks({ fs, caller, request }: Exchange): void {
  fs.releaseLocks?.(caller, request.nodeid, request.hex64(16), 'posix')
}

/** What an open file owns, when it is closed for good. */
export function releaseOpened({ fs, caller, request }: Exchange): void {
  fs.releaseOpened?.(caller, request.nodeid, request.hex64(HANDLE_AT))
  if ((request.u32(12) & RELEASE_FLOCK_UNLOCK) === 0) return
  fs.releaseLocks?.(caller, request.nodeid, request.hex64(HANDLE_AT), 'flock')
}

function setLock(x: Exchange, wait: boolean): number {
  const { request } = x
  if (x.fs.setLock === undefined) throw notKept()
  const lock = lockOf(request)
  const how = { wait, handle: request.hex64(HANDLE_AT) }
  x.fs.setLock(x.caller, request.nodeid, ownerOf(request, lock), lock, how)
  return 0
}

/** Of `fuse_lk_in`. */
function ownerOf(request: RequestReader, { kind }: FileLock): string {
  return request.hex64(kind === 'flock' ? HANDLE_AT : 8)
}

/** `fuse_lk_in`. */
function lockOf(request: RequestReader): FileLock {
  const type = LOCK_TYPES[request.u32(32)]
  if (type === undefined) throw new FsError('EINVAL', `no type of lock: ${request.u32(32)}`)
  const start = request.u64(16)
  // Offsets are doubles here: a lock that only begins where no file reaches has no place.
  if (start >= LOCK_END) throw new FsError('EOVERFLOW', 'a lock behind the largest file')
  return {
    kind: (request.u32(40) & LK_FLOCK) !== 0 ? 'flock' : 'posix',
    type,
    start,
    end: Math.min(request.u64(24), LOCK_END),
    pid: request.u32(36),
  }
}

function notKept(): FsError {
  return new FsError('ENOSYS', 'this file system keeps no locks')
}

/**
 * Handlers of requests for file locks, fcntl(2) and flock(2). The kernel sends them only if
 * `remoteLocks` was negotiated, and then keeps no locks itself. The owner of a record lock stands
 * for a process; its locks end with FLUSH, which names the owner of the closed descriptor. A flock
 * belongs to an open file and ends with RELEASE. RELEASE comes after close(2) has returned, when
 * the kernel may have reused the owner number for another file; therefore the owner of a flock is
 * the handle here, which is unique. The kernel releases the locks of a process that ends only by
 * these two requests.
 */
import { LOCK_END, type FileLock } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import type { Exchange } from './exchange.ts'
import type { RequestReader } from '../wire/request-reader.ts'
import { LK_FLOCK, LOCK_TYPES, RELEASE_FLOCK_UNLOCK } from '../wire/wire-flags.ts'

/** Offset of the handle in `fuse_lk_in` and `fuse_release_in`. */
const HANDLE_AT = 0

export function handleGetlk(x: Exchange): number {
  const { request } = x
  if (x.fs.getLock === undefined) throw unsupported()
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

/** An unlock takes effect even if its process no longer waits for the reply. */
export function unlockAnyway(x: Exchange): void {
  if (LOCK_TYPES[x.request.u32(32)] === 'unlock') setLock(x, false)
}

export function releaseRecordLocks({ fs, caller, request }: Exchange): void {
  fs.releaseLocks?.(caller, request.nodeid, request.hex64(16), 'posix')
}

/** Releases the locks that an open file owns, at its final close. */
export function releaseOpened({ fs, caller, request }: Exchange): void {
  fs.releaseOpened?.(caller, request.nodeid, request.hex64(HANDLE_AT))
  if ((request.u32(12) & RELEASE_FLOCK_UNLOCK) === 0) return
  fs.releaseLocks?.(caller, request.nodeid, request.hex64(HANDLE_AT), 'flock')
}

function setLock(x: Exchange, wait: boolean): number {
  const { request } = x
  if (x.fs.setLock === undefined) throw unsupported()
  const lock = lockOf(request)
  const how = { wait, handle: request.hex64(HANDLE_AT) }
  x.fs.setLock(x.caller, request.nodeid, ownerOf(request, lock), lock, how)
  return 0
}

/** Owner in `fuse_lk_in`. */
function ownerOf(request: RequestReader, { kind }: FileLock): string {
  return request.hex64(kind === 'flock' ? HANDLE_AT : 8)
}

/** Lock in `fuse_lk_in`. */
function lockOf(request: RequestReader): FileLock {
  const type = LOCK_TYPES[request.u32(32)]
  if (type === undefined) throw new FsError('EINVAL', `invalid lock type ${request.u32(32)}`)
  const start = request.u64(16)
  // Offsets are doubles here: a lock that starts beyond the largest file offset is not
  // representable.
  if (start >= LOCK_END) throw new FsError('EOVERFLOW', 'the lock starts beyond the largest file')
  return {
    kind: (request.u32(40) & LK_FLOCK) !== 0 ? 'flock' : 'posix',
    type,
    start,
    end: Math.min(request.u64(24), LOCK_END),
    pid: request.u32(36),
  }
}

function unsupported(): FsError {
  return new FsError('ENOSYS', 'this file system does not support locks')
}

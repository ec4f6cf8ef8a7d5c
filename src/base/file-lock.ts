/**
 * File locks as plain data, which crosses threads and nodes. `posix` locks (fcntl) cover a range
 * and belong to a process; `flock` locks cover the whole file and belong to an open file
 * description. As on Linux, the two kinds do not conflict with each other. Owners are text, because
 * a double cannot represent the kernel's 64-bit numbers exactly.
 */

export type LockKind = 'posix' | 'flock'

export interface FileLock {
  kind: LockKind
  /** `unlock` releases the owner's locks in the range. */
  type: 'read' | 'write' | 'unlock'
  /** Offsets of the first and the last byte. */
  start: number
  end: number
  /** Process that requested the lock; 0 if unknown or on another node. */
  pid: number
}

/** A granted lock with its inode and its owner on the node. */
export interface HeldLock extends FileLock {
  ino: number
  owner: string
}

/** `end` of a lock that extends to the end of the file, however far the file grows. */
export const LOCK_END = Number.MAX_SAFE_INTEGER

/**
 * A lock on bytes of a file as every layer speaks of it: plain data, it crosses threads and nodes.
 * `posix` locks (fcntl) cover a range and belong to a process, `flock` locks cover the whole file
 * and belong to an open file description; the two kinds do not see each other, as on Linux.
 * Owners are opaque: the kernel's 64-bit numbers are not exact in a double, so they are text.
 */

export type LockKind = 'posix' | 'flock'

export interface FileLock {
  kind: LockKind
  /** `unlock` takes away what the owner holds in the range. */
  type: 'read' | 'write' | 'unlock'
  /** First and last byte. */
  start: number
  end: number
  /** Process that asked; 0 where it is unknown or on another node. */
  pid: number
}

/** A lock that is held, with where and by whom on its node. */
export interface HeldLock extends FileLock {
  ino: number
  owner: string
}

/** Last byte of a lock that reaches to the end of the file, however far it grows. */
export const LOCK_END = Number.MAX_SAFE_INTEGER

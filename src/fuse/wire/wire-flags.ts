/**
 * Flag bits of the FUSE protocol that this server reads or sets, grouped by field. Values:
 * include/uapi/linux/fuse.h. Bits of INIT from 32 on are in a second word (`flags2`) and are
 * shifted down here.
 */

/** `flags` of INIT. */
export const INIT = {
  ASYNC_READ: 1 << 0,
  POSIX_LOCKS: 1 << 1,
  ATOMIC_O_TRUNC: 1 << 3,
  EXPORT_SUPPORT: 1 << 4,
  BIG_WRITES: 1 << 5,
  FLOCK_LOCKS: 1 << 10,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  PARALLEL_DIROPS: 1 << 18,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  EXPLICIT_INVAL_DATA: 1 << 25,
  HANDLE_KILLPRIV_V2: 1 << 28,
  INIT_EXT: 1 << 30,
} as const

/** `flags2` of INIT: bit 32 of fuse.h is bit 0 here. */
export const INIT2 = {
  DIRECT_IO_ALLOW_MMAP: 1 << (36 - 32),
  PASSTHROUGH: 1 << (37 - 32),
  HAS_RESEND: 1 << (39 - 32),
} as const

/** `open_flags` of the replies to OPEN, CREATE and OPENDIR. */
export const FOPEN = {
  DIRECT_IO: 1 << 0,
  KEEP_CACHE: 1 << 1,
  CACHE_DIR: 1 << 3,
  /** No FLUSH is sent when a descriptor of the file is closed. */
  NOFLUSH: 1 << 5,
  /** The kernel accesses the backing file directly; with DIRECT_IO, only through mappings. */
  PASSTHROUGH: 1 << 7,
} as const

/** `open_flags` of the OPEN request. */
export const OPEN_KILL_SUIDGID = 1 << 0

/** `valid` of SETATTR: which fields to change. */
export const FATTR = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const

/** `getattr_flags`: the handle is valid. */
export const GETATTR_FH = 1 << 0

/** `read_flags` of READ: the request has a lock owner. */
export const READ_LOCKOWNER = 1 << 1

/** `write_flags` of WRITE. */
export const WRITE = {
  /** Written back from mapped pages: the handle is a guess, the offset is exact. */
  CACHE: 1 << 0,
  KILL_SUIDGID: 1 << 2,
} as const

/** `fsync_flags`: data only. */
export const FSYNC_FDATASYNC = 1 << 0

/** `release_flags` of RELEASE: the open file held a flock, or may have. */
export const RELEASE_FLOCK_UNLOCK = 1 << 1

/** `lk_flags` of GETLK, SETLK and SETLKW: a flock(2), which covers the whole file. */
export const LK_FLOCK = 1 << 0

/** Lock types F_RDLCK, F_WRLCK and F_UNLCK; the same on all architectures of Node. */
export const LOCK_TYPES = ['read', 'write', 'unlock'] as const

/** Codes of notifications. */
export const NOTIFY = {
  INVAL_INODE: 2,
  INVAL_ENTRY: 3,
  RESEND: 7,
  INC_EPOCH: 8,
} as const

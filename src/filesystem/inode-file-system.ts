/**
 * Contract between the FUSE protocol and a file system based on inodes: `fuse/` calls it and
 * `volume/` implements it.
 *
 * Each operation is synchronous. It completes, throws an `FsError`, or throws `Suspended` if it
 * must wait for something; the caller then resolves the wait condition and calls again with the
 * same arguments. Names are bytes. Inode numbers are exact in a double. The kernel checks
 * permissions (`default_permissions`); the implementation applies the rules of set-id and sticky
 * bits that the kernel leaves to the file system.
 */

import type { BorrowedBytes } from '../base/borrowed-bytes.ts'
import type { FileLock, LockKind } from '../base/file-lock.ts'

/** Credentials of the process behind a request. */
export interface Caller {
  readonly uid: number
  readonly gid: number
  readonly pid: number
}

/** Attributes of stat(2). Seconds and nanoseconds are separate: one double would not be exact. */
export interface Attributes {
  ino: number
  /** Type and permission bits, as in st_mode. */
  mode: number
  nlink: number
  uid: number
  gid: number
  /** Device number of device nodes, as the kernel encodes it. */
  rdev: number
  /** Size in bytes. */
  size: number
  /** Blocks of 512 bytes. */
  blocks: number
  atimeSec: number
  atimeNsec: number
  mtimeSec: number
  mtimeNsec: number
  ctimeSec: number
  ctimeNsec: number
}

/** Attributes to change; a time of 'now' is the server's clock. Undefined: unchanged. */
export interface AttributeChange {
  mode?: number
  uid?: number
  gid?: number
  size?: number
  atime?: { sec: number; nsec: number } | 'now'
  mtime?: { sec: number; nsec: number } | 'now'
  ctime?: { sec: number; nsec: number }
  /** The caller lacks CAP_FSETID: a change of size clears the set-id bits. */
  killSetId?: boolean
}

/** An open file or directory. The kernel passes `handle` with each later request. */
export interface Opened {
  handle: number
  /** The kernel may keep pages (or directory entries) cached by earlier opens. */
  keepCache?: boolean
  /** The kernel must not cache pages of this open. */
  directIo?: boolean
  /**
   * Id of a backing file that the kernel accesses directly (passthrough); with `directIo`, only
   * through mappings. All concurrent opens of an inode must use the same one.
   */
  backing?: number | undefined
  /** Closing a descriptor of this open needs no `flush`. */
  noFlush?: boolean
  /** The kernel may cache the entries of this directory. */
  cacheDirectory?: boolean
}

/** Mode of a write. */
export interface WriteMode {
  /** Write at the end of the file and ignore the offset. */
  append: boolean
  /** The caller lacks CAP_FSETID: the set-id bits are cleared. */
  killSetId: boolean
  /** The data comes from dirty pages of a mapping, which stay in the page cache. */
  writeback: boolean
  /** The data is not in the kernel's page cache (O_DIRECT). */
  bypassesPages?: boolean
  /** The data must be as durable on return as after `fsync` (O_SYNC, O_DSYNC, RWF_DSYNC). */
  sync?: boolean
}

/** Receives directory entries until it is full: false means that this entry did not fit. */
export interface DirectorySink {
  /** True if attributes are needed with each entry (READDIRPLUS). */
  readonly plus: boolean
  /**
   * `typeBits`: file type as in st_mode (S_IFMT bits). `next`: offset to continue after this entry.
   * `attributes`: required if `plus` is set, except for '.' and '..'.
   */
  add(
    name: Uint8Array,
    ino: number,
    typeBits: number,
    next: number,
    attributes?: Attributes,
  ): boolean
}

/** Statistics of statvfs(3), in blocks of `blockSize` bytes. */
export interface FileSystemStatistics {
  blockSize: number
  blocks: number
  blocksFree: number
  blocksAvailable: number
  files: number
  filesFree: number
  nameMax: number
}

export const ROOT_INODE = 1

/** An inode, and how many of its lookup references the kernel has released (FORGET). */
export type Forgotten = readonly [ino: number, count: number]

export interface InodeFileSystem {
  lookup(caller: Caller, parent: number, name: Uint8Array): Attributes
  getattr(caller: Caller, ino: number, handle?: number): Attributes
  setattr(caller: Caller, ino: number, change: AttributeChange, handle?: number): Attributes
  readlink(caller: Caller, ino: number): Uint8Array
  mknod(caller: Caller, parent: number, name: Uint8Array, mode: number, rdev: number): Attributes
  mkdir(caller: Caller, parent: number, name: Uint8Array, mode: number): Attributes
  symlink(caller: Caller, parent: number, name: Uint8Array, target: Uint8Array): Attributes
  link(caller: Caller, ino: number, parent: number, name: Uint8Array): Attributes
  unlink(caller: Caller, parent: number, name: Uint8Array): void
  rmdir(caller: Caller, parent: number, name: Uint8Array): void
  /** `flags`: RENAME_NOREPLACE (1), RENAME_EXCHANGE (2); any other is EINVAL. */
  rename(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    flags: number,
  ): void
  /** `flags` as in open(2), including O_TRUNC. */
  open(caller: Caller, ino: number, flags: number, killSetId: boolean): Opened
  create(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    flags: number,
  ): { attributes: Attributes; opened: Opened }
  /**
   * Reads into `target`, whose length is the requested size; returns the bytes read, fewer only at
   * the end of the file. `fillsPages`: the kernel keeps the data in its page cache. Here and in
   * `write`, the bytes are lent for the call. Both are properties instead of methods, so that the
   * compiler rejects an implementation that takes a `Uint8Array`, which it might keep.
   */
  read: (
    caller: Caller,
    ino: number,
    handle: number,
    offset: number,
    target: BorrowedBytes,
    fillsPages?: boolean,
  ) => number
  /** Returns the bytes written. */
  write: (
    caller: Caller,
    ino: number,
    handle: number,
    offset: number,
    source: BorrowedBytes,
    how: WriteMode,
  ) => number
  /**
   * Called at each close(2) of a descriptor; publishes the content with the required durability.
   */
  flush(caller: Caller, ino: number, handle: number): void
  /** The last use of the handle. Cannot fail. */
  release(caller: Caller, ino: number, handle: number): void
  fsync(caller: Caller, ino: number, handle: number, dataOnly: boolean): void
  fallocate(
    caller: Caller,
    ino: number,
    handle: number,
    offset: number,
    length: number,
    mode: number,
  ): void
  /** SEEK_DATA (3) or SEEK_HOLE (4). */
  lseek(caller: Caller, ino: number, handle: number, offset: number, whence: number): number
  opendir(caller: Caller, ino: number): Opened
  /** Adds the entries after `offset` (0: from the start; else an earlier `next`) to the sink. */
  readdir(caller: Caller, ino: number, handle: number, offset: number, sink: DirectorySink): void
  releasedir(caller: Caller, ino: number, handle: number): void
  fsyncdir(caller: Caller, ino: number, handle: number, dataOnly: boolean): void
  statfs(caller: Caller): FileSystemStatistics
  /** `flags`: XATTR_CREATE (1), XATTR_REPLACE (2). */
  setxattr(caller: Caller, ino: number, name: Uint8Array, value: Uint8Array, flags: number): void
  getxattr(caller: Caller, ino: number, name: Uint8Array): Uint8Array
  /** Names, each terminated by a NUL byte. */
  listxattr(caller: Caller, ino: number): Uint8Array
  removexattr(caller: Caller, ino: number, name: Uint8Array): void
  /** Not implemented if inode numbers are permanent, so that references need no counting. */
  forget?(forgotten: readonly Forgotten[]): void
  /**
   * Returns a conflicting lock, if any. Not implemented: the kernel handles locks, for this mount.
   */
  getLock?(caller: Caller, ino: number, owner: string, lock: FileLock): FileLock | undefined
  /** Takes or releases a lock; a conflict is EAGAIN unless `wait` is set. */
  setLock?(
    caller: Caller,
    ino: number,
    owner: string,
    lock: FileLock,
    how: { wait: boolean; handle: string },
  ): void
  /** Releases all locks of that kind that the owner holds: it has closed the file. */
  releaseLocks?(caller: Caller, ino: number, owner: string, kind: LockKind): void
  /** Releases the record locks of an open file (F_OFD_SETLK) after its final close. */
  releaseOpened?(caller: Caller, ino: number, handle: string): void
}

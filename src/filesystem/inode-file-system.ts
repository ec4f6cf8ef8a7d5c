/**
 * The contract between the kernel's protocol and a file system that knows inodes: what `fuse/`
 * calls and `volume/` implements.
 *
 * Every operation is synchronous. It completes, throws an `FsError`, or throws `Blocked` (having
 * changed nothing) when something slow has to happen first; the caller has the need satisfied and
 * calls again with the same arguments. Names are bytes. Inode numbers are exact in a double.
 * Permission checks are the kernel's (`default_permissions`); set-id and sticky rules that the
 * kernel leaves to the file system are the implementation's.
 */

import type { BorrowedBytes } from '../base/borrowed-bytes.ts'
import type { FileLock, LockKind } from '../base/file-lock.ts'

/** Who asks: of the process behind the request. */
export interface Caller {
  readonly uid: number
  readonly gid: number
  readonly pid: number
}

/** What stat(2) tells. Times are seconds and nanoseconds apart: one number would not be exact. */
export interface Attributes {
  ino: number
  /** Type and permission bits, as in st_mode. */
  mode: number
  nlink: number
  uid: number
  gid: number
  /** Device number of device nodes, as the kernel encodes it. */
  rdev: number
  /** Bytes. */
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

/** What to change; a time of 'now' is the server's clock. Absent means unchanged. */
export interface AttributeChange {
  mode?: number
  uid?: number
  gid?: number
  size?: number
  atime?: { sec: number; nsec: number } | 'now'
  mtime?: { sec: number; nsec: number } | 'now'
  ctime?: { sec: number; nsec: number }
  /** The caller lacks CAP_FSETID: a change of size drops the set-id bits. */
  killSetId?: boolean
}

/** An open file or directory. `handle` goes back to the file system with every use. */
export interface Opened {
  handle: number
  /** The kernel may keep pages (or directory entries) cached by earlier opens. */
  keepCache?: boolean
  /** The kernel must not cache pages of this open. */
  directIo?: boolean
  /**
   * The kernel reads the file by itself, from what it knows by this number; with `directIo` only
   * mappings of it. All opens of an inode that are there at one time have to agree on it.
   */
  backing?: number | undefined
  /** Closing a descriptor of this open needs no `flush`. */
  noFlush?: boolean
  /** The kernel may cache the entries of this directory. */
  cacheDirectory?: boolean
}

/** How a write is to be done. */
export interface WriteMode {
  /** To the end of the file, whatever its offset says. */
  append: boolean
  /** The caller lacks CAP_FSETID: the set-id bits are dropped. */
  killSetId: boolean
  /** From pages that were written to in memory, which hold it. */
  writeback: boolean
  /** The kernel's page cache does not have it (O_DIRECT). */
  bypassesPages?: boolean
  /** As safe when it returns as after `fsync` (O_SYNC, O_DSYNC, RWF_DSYNC). */
  sync?: boolean
}

/** Takes directory entries until it is full: false means that this entry did not fit. */
export interface DirectorySink {
  /** True when attributes are wanted with each entry (READDIRPLUS). */
  readonly plus: boolean
  /**
   * `typeBits` is the file type as in st_mode (S_IFMT bits); `next` the offset to continue after
   * this entry; `attributes` goes along where `plus` is set ('.' and '..' have none).
   */
  add(
    name: Uint8Array,
    ino: number,
    typeBits: number,
    next: number,
    attributes?: Attributes,
  ): boolean
}

/** What statvfs(3) tells; blocks of `blockSize` bytes. */
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

/** An inode, and how many of the references that replies gave the kernel it has let go. */
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
  /** `flags` as in open(2); O_TRUNC is honoured here. */
  open(caller: Caller, ino: number, flags: number, killSetId: boolean): Opened
  create(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    flags: number,
  ): { attributes: Attributes; opened: Opened }
  /**
   * Reads into `target` (its length is what is asked), returns bytes read; fewer only at the end.
   * `fillsPages`: the kernel keeps what it gets in its page cache.
   * Here and in `write` the bytes are lent for the call. Both are properties, not methods, so that
   * the compiler refuses an implementation that takes them as a `Uint8Array`, which it might keep.
   */
  read: (
    caller: Caller,
    ino: number,
    handle: number,
    offset: number,
    target: BorrowedBytes,
    fillsPages?: boolean,
  ) => number
  /** Returns bytes written. */
  write: (
    caller: Caller,
    ino: number,
    handle: number,
    offset: number,
    source: BorrowedBytes,
    how: WriteMode,
  ) => number
  /** Called by every close(2) of a descriptor; makes the content visible and as safe as asked. */
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
  /** Entries after `offset` (0: from the start; else a `next` given earlier) into the sink. */
  readdir(caller: Caller, ino: number, handle: number, offset: number, sink: DirectorySink): void
  releasedir(caller: Caller, ino: number, handle: number): void
  fsyncdir(caller: Caller, ino: number, handle: number, dataOnly: boolean): void
  statfs(caller: Caller): FileSystemStatistics
  /** `flags`: XATTR_CREATE (1), XATTR_REPLACE (2). */
  setxattr(caller: Caller, ino: number, name: Uint8Array, value: Uint8Array, flags: number): void
  getxattr(caller: Caller, ino: number, name: Uint8Array): Uint8Array
  /** Names, each ended by a NUL byte. */
  listxattr(caller: Caller, ino: number): Uint8Array
  removexattr(caller: Caller, ino: number, name: Uint8Array): void
  /** Absent: inode numbers are never given up, and need no counting. */
  forget?(forgotten: readonly Forgotten[]): void
  /** A lock that stands in the way of this one. Absent: the kernel keeps locks, for this mount. */
  getLock?(caller: Caller, ino: number, owner: string, lock: FileLock): FileLock | undefined
  /** Takes a lock, or gives it back; a conflict is EAGAIN unless the caller wants to `wait`. */
  setLock?(
    caller: Caller,
    ino: number,
    owner: string,
    lock: FileLock,
    how: { wait: boolean; handle: string },
  ): void
  /** The owner has closed the file: what it still holds of that kind is given back. */
  releaseLocks?(caller: Caller, ino: number, owner: string, kind: LockKind): void
  /** An open file is closed for good: with it go the record locks that it owns (F_OFD_SETLK). */
  releaseOpened?(caller: Caller, ino: number, handle: string): void
}

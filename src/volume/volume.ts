/**
 * The volume as inodes: names from the metadata engine, bytes from this node's cache. There is one
 * instance per thread; the shared state is in the databases and in shared memory. It implements
 * filesystem/inode-file-system.ts: each operation completes, fails, or is suspended with a wait
 * condition.
 *
 * Lock order: an inode's lock, then a database's; never the locks of two inodes at once.
 */
import { Awaiting, type WaitResult } from '../base/suspended.ts'
import { lend, type BorrowedBytes } from '../base/borrowed-bytes.ts'
import { now } from '../base/clock.ts'
import type { FileLock, LockKind } from '../base/file-lock.ts'
import { FsError } from '../base/fs-error.ts'
import { O_ACCMODE, O_RDWR, O_TRUNC, O_WRONLY } from '../base/open-bits.ts'
import type { Leaving, Opening } from '../cache/write/file-committer.ts'
import type { Transactions } from '../cache/state/node-database.ts'
import type { FileReader } from '../cache/read/file-reader.ts'
import type { FileWriter } from '../cache/write/file-writer.ts'
import { WRITER_UNLISTED, WRITTEN, type WaitCondition } from '../cache/waiting/wait-condition.ts'
import type { Passthrough } from '../cache/passthrough/passthrough.ts'
import {
  ROOT_INODE,
  type AttributeChange,
  type Attributes,
  type Caller,
  type DirectorySink,
  type FileSystemStatistics,
  type Forgotten,
  type InodeFileSystem,
  type Opened,
  type WriteMode,
} from '../filesystem/inode-file-system.ts'
import { filesystemLimits } from '../filesystem/limits.ts'
import type { Durability } from '../metadata/durability.ts'
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, getInode, readLink } from '../metadata/inode-rules.ts'
import { lookup } from '../metadata/namespace-rules.ts'
import { keptTotals } from '../metadata/sqlite/kept-totals.ts'
import type { Rule } from '../metadata/statement.ts'
import { DirectoryListing } from './paths/directory-listing.ts'
import { DurabilityGate } from './cluster/durability-gate.ts'
import { ExtendedAttributes, type ExtendedAttributesParts } from './paths/extended-attributes.ts'
import { LiveAttributes, type LiveAttributesParts } from './paths/live-attributes.ts'
import { Names, type NamesParts } from './names.ts'
import { handleOf, isDirect, isDirectOpen, isOfEpoch, mayWrite } from './paths/open-handle.ts'
import type { VolumeLocks } from './locks/volume-locks.ts'
import { SetIdBits } from './paths/set-id-bits.ts'
import { statisticsOf } from './volume-statistics.ts'

const DOT = 0x2e

export interface VolumeParts extends NamesParts, LiveAttributesParts, ExtendedAttributesParts {
  database: Transactions
  closeCache: () => void
  reader: FileReader
  writer: FileWriter
  passthrough: Passthrough
  /** Directory whose file system bounds what can be stored. */
  spaceDirectory: string
  locks: VolumeLocks
}

export class Volume implements InodeFileSystem {
  readonly #parts: VolumeParts
  readonly #names: Names
  readonly #attributes: LiveAttributes
  readonly #listing: DirectoryListing
  readonly #durability: DurabilityGate
  readonly #xattrs: ExtendedAttributes
  readonly #setId: SetIdBits

  constructor(parts: VolumeParts) {
    this.#parts = parts
    this.#attributes = new LiveAttributes(parts)
    this.#listing = new DirectoryListing(parts.engine, this.#attributes)
    this.#names = new Names(parts)
    this.#durability = new DurabilityGate(parts)
    this.#xattrs = new ExtendedAttributes(parts, this.#durability)
    this.#setId = new SetIdBits(parts)
  }

  /** For files that are filled first and named later. */
  get names(): Names {
    return this.#names
  }

  get durability(): DurabilityGate {
    return this.#durability
  }

  serving(unique: number, isResent: boolean, thread = 0, results?: readonly WaitResult[]): void {
    const { request, shared, files } = this.#parts
    if (thread !== 0) shared.cuts.passed(thread, unique)
    request.begin(unique, isResent, results)
    files.closeVoid()
  }

  /** Runs an operation of this process with the results of its waits so far. */
  run<T>(results: readonly WaitResult[], operation: () => T): T {
    return this.#parts.request.run(results, operation)
  }

  lookup(_caller: Caller, parent: number, name: Uint8Array): Attributes {
    this.#parts.engine.requireCurrent()
    const known = this.#byNumber(parent, name)
    return this.#attributes.readSettled(
      known === undefined ? lookup(parent, name) : getInode(known),
    )
  }

  /** For file handles: the inode itself is looked up as `.`, its directory as `..`. */
  #byNumber(ino: number, name: Uint8Array): number | undefined {
    const isDot = name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT))
    if (!isDot) return undefined
    const row = this.#read(getInode(ino))
    if (row.nlink === 0) throw new FsError('ESTALE', `inode ${ino} has no name any more`)
    return name.length === 1 || ino === ROOT_INODE ? ino : row.parent
  }

  getattr(_caller: Caller, ino: number): Attributes {
    this.#parts.engine.requireCurrent()
    return this.#attributes.readSettled(getInode(ino))
  }

  #resize(caller: Caller, ino: number, size: number): void {
    const { writer, request, shared } = this.#parts
    const { cuts } = shared
    // For an operation that is resumed after a wait, the truncation counts from now.
    cuts.renew(ino, caller.pid, request.unique)
    writer.truncate(ino, size, () => cuts.begin(ino, caller.pid, request.unique))
  }

  setattr(caller: Caller, ino: number, change: AttributeChange): Attributes {
    const { committer } = this.#parts
    this.#attributes.requireSettled(ino)
    if (change.size !== undefined) {
      this.#requireRegular(ino)
      if (change.killSetId) this.#setId.drop(caller, ino)
      this.#resize(caller, ino, change.size)
    }
    const time = now()
    const { mode, uid, gid } = change
    const atime = change.atime === 'now' ? time : change.atime
    const mtime = change.mtime === 'now' ? time : change.mtime
    const isChown = uid !== undefined || gid !== undefined
    const inGroup = isChown ? this.#setId.inGroup(caller, ino) : undefined
    const others = { mode, uid, gid, atime, mtime, inGroup }
    const isNothing = Object.keys(change).length === 0 && !this.#setId.touch(caller, ino)
    const isOther = Object.values(others).some((value) => value !== undefined)
    if (isOther || (change.size === undefined && !isNothing)) {
      // Under the lock: a commit either keeps the old times, or comes after this change.
      this.#parts.shared.withInode(ino, () => {
        this.#parts.engine.write('changeInode', ino, others, change.ctime ?? time)
        committer.setTimes(ino, mtime)
      })
    }
    return this.#attributes.read(getInode(ino))
  }

  #requireRegular(ino: number): void {
    const type = this.#read(getInode(ino)).mode & S_IFMT
    if (type === S_IFDIR) throw new FsError('EISDIR', 'is a directory')
    if (type !== S_IFREG) throw new FsError('EINVAL', 'is no regular file')
  }

  readlink(_caller: Caller, ino: number): Uint8Array {
    this.#parts.engine.requireCurrent()
    return this.#read(readLink(ino))
  }

  mknod(caller: Caller, parent: number, name: Uint8Array, mode: number, rdev: number): Attributes {
    return this.#names.create(caller, parent, name, mode, rdev, null)
  }

  mkdir(caller: Caller, parent: number, name: Uint8Array, mode: number): Attributes {
    return this.#names.create(caller, parent, name, S_IFDIR | (mode & ~S_IFMT), 0, null)
  }

  symlink(caller: Caller, parent: number, name: Uint8Array, target: Uint8Array): Attributes {
    if (target.length >= filesystemLimits.pathBytes)
      throw new FsError('ENAMETOOLONG', 'target too long')
    return this.#names.create(caller, parent, name, S_IFLNK | 0o777, 0, target)
  }

  link(_caller: Caller, ino: number, parent: number, name: Uint8Array): Attributes {
    this.#attributes.requireSettled(ino)
    const seq = this.#parts.numbers.next('entry')
    this.#parts.engine.write('link', ino, parent, name, seq, now())
    return this.#attributes.read(getInode(ino))
  }

  unlink(_caller: Caller, parent: number, name: Uint8Array): void {
    this.#names.remove(parent, name, 'unlink')
  }

  rmdir(_caller: Caller, parent: number, name: Uint8Array): void {
    this.#names.remove(parent, name, 'rmdir')
  }

  rename(
    _caller: Caller,
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    flags: number,
  ): void {
    this.#names.move({ parent, name }, { parent: newParent, name: newName }, flags)
    // A directory that moved inherits its durability from another one now.
    if (parent !== newParent) this.#parts.shared.countPolicy()
  }

  open(caller: Caller, ino: number, flags: number, killSetId: boolean): Opened {
    const { shared, committer, passthrough } = this.#parts
    this.#parts.engine.requireCurrent()
    // Also with a read-only descriptor: the kernel has checked the permission to write.
    const truncates = (flags & O_TRUNC) !== 0
    if (truncates && killSetId) this.#setId.drop(caller, ino)
    const opened = committer.open(ino, this.#opening(flags, ino))
    const handle = handleOf(truncates ? O_WRONLY : flags, opened, shared.nextOpen())
    // A read-only open has nothing to flush on close, except its locks.
    const isLeft = this.#isLeft(flags, () => this.#durability.of(ino))
    const noFlush = (!mayWrite(handle) || isLeft) && !this.#parts.locks.areShared
    try {
      if (truncates) this.#resize(caller, ino, 0)
      const passed =
        passthrough.join(ino, flags) ?? (isLeft ? passthrough.joinWriting(ino, flags) : undefined)
      if (passed) return { handle, ...passed, noFlush }
    } catch (error) {
      this.#names.release(ino, leaving(handle))
      throw error
    }
    const keepCache = !shared.pageDrops.hasStale(ino)
    if (!keepCache) shared.noteInvalidated(ino)
    return { handle, keepCache, directIo: isDirect(handle), noFlush }
  }

  create(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    flags: number,
  ): { attributes: Attributes; opened: Opened } {
    const created = this.#names.createFile(caller, { parent, name }, mode, flags, (ino) => {
      const opened = this.open(caller, ino, flags, caller.uid !== 0)
      return { attributes: this.#attributes.read(getInode(ino)), opened }
    })
    if ('found' in created) return created.found
    const attributes = created.made
    const { shared, committer } = this.#parts
    const open = committer.open(attributes.ino, this.#opening(flags))
    const handle = handleOf(flags, open, shared.nextOpen())
    const noFlush = this.#isLeft(flags, () => this.#durability.isLocalIn(parent) && 'local')
    const passed = noFlush ? this.#parts.passthrough.joinWriting(attributes.ino, flags) : undefined
    if (passed) return { attributes, opened: { handle, ...passed, noFlush } }
    const opened = { handle, keepCache: true, directIo: isDirect(handle), noFlush }
    return { attributes, opened }
  }

  /**
   * Whether a close needs no FLUSH: the descriptor cannot be mapped, and nobody waits for its
   * commit, which RELEASE starts. The durability is that at the time of the open.
   */
  #isLeft(flags: number, durability: () => Durability | false): boolean {
    if ((flags & O_ACCMODE) !== O_WRONLY || this.#parts.engine.isReplica) return false
    return durability() === 'local'
  }

  #opening(flags: number, ino?: number): Opening {
    const { shared, engine } = this.#parts
    const mount = { isShared: engine.isReplica, directMaps: shared.directMaps }
    const mustCache = (): boolean => ino !== undefined && this.#xattrs.hasCapabilities(ino)
    const maps = (flags & O_ACCMODE) === O_RDWR
    return {
      by: 'kernel',
      writing: (flags & (O_ACCMODE | O_TRUNC)) === 0 ? undefined : { maps },
      isDirect: (open) => isDirectOpen(flags, open, { ...mount, mustCache }),
    }
  }

  read(
    _caller: Caller,
    ino: number,
    _handle: number,
    offset: number,
    target: BorrowedBytes,
    fillsPages = false,
  ): number {
    return lend(target, (view) => this.#parts.reader.read(ino, offset, view, fillsPages))
  }

  write(
    caller: Caller,
    ino: number,
    handle: number,
    offset: number,
    source: BorrowedBytes,
    how: WriteMode,
  ): number {
    this.#requireKept(ino, handle)
    if (how.killSetId) this.#setId.drop(caller, ino)
    const bypassesPages = how.bypassesPages === true || isDirect(handle)
    const mode = { append: how.append, writeback: how.writeback, bypassesPages }
    const write = (): number =>
      lend(source, (view) => this.#parts.writer.write(ino, offset, view, mode))
    if (how.sync === true) this.#writeThrough(ino, write)
    else return write()
    this.fsync(caller, ino, handle)
    return source.length
  }

  /** Writes the bytes once, however often the sync that follows is suspended. */
  #writeThrough(ino: number, write: () => number): void {
    if (this.#parts.request.take(WRITTEN, ino)) return
    write()
    const mayWait = this.#parts.engine.isReplica || this.#durability.of(ino) !== 'local'
    if (mayWait) throw new Awaiting({ kind: 'written', ino } satisfies WaitCondition)
  }

  /** The wait condition of an operation could not be resolved. */
  refused(condition: unknown): void {
    this.#parts.writer.refused(condition as WaitCondition)
  }

  /** Fails if a commit of another node has superseded the writes of this handle. */
  #requireKept(ino: number, handle: number): void {
    if (mayWrite(handle) && this.#parts.engine.isReplica) {
      this.#parts.committer.requireKept(ino, (epoch) => isOfEpoch(handle, epoch))
    }
  }

  flush(_caller: Caller, ino: number, handle: number): void {
    this.#requireKept(ino, handle)
    this.#parts.passthrough.absorb(ino)
    const { committer, engine } = this.#parts
    if (!engine.isReplica && this.#durability.of(ino) === 'local') {
      committer.commitSoon(ino)
      return
    }
    committer.commit(ino, true)
    this.#durability.require(ino)
  }

  release(_caller: Caller, ino: number, handle: number): void {
    if (this.#parts.request.take(WRITER_UNLISTED, ino)) return
    this.#names.release(ino, leaving(handle))
    // Immediately: the next open, on another node, may need to map the file.
    if (mayWrite(handle) && this.#parts.committer.isLeft(ino)) {
      throw new Awaiting({ kind: 'left', ino } satisfies WaitCondition)
    }
  }

  fsync(_caller: Caller, ino: number, handle: number): void {
    this.#requireKept(ino, handle)
    this.#parts.passthrough.absorb(ino)
    this.#parts.committer.sync(ino, () => this.#durability.of(ino) !== 'local')
    this.#durability.require(ino)
  }

  fallocate(
    caller: Caller,
    ino: number,
    handle: number,
    offset: number,
    length: number,
    mode: number,
  ): void {
    this.#requireKept(ino, handle)
    this.#setId.dropUnlessCapable(caller, ino)
    this.#parts.writer.allocate(ino, offset, length, mode)
  }

  lseek(_caller: Caller, ino: number, _handle: number, offset: number, whence: number): number {
    return this.#parts.reader.seek(ino, offset, whence)
  }

  opendir(_caller: Caller, ino: number): Opened {
    this.#parts.engine.requireCurrent()
    const row = this.#read(getInode(ino))
    if ((row.mode & S_IFMT) !== S_IFDIR) throw new FsError('ENOTDIR', 'is no directory')
    this.#parts.committer.open(ino, { by: 'kernel' })
    const isAlone = !this.#parts.engine.isReplica
    return { handle: 0, keepCache: isAlone, cacheDirectory: isAlone }
  }

  readdir(
    _caller: Caller,
    ino: number,
    _handle: number,
    offset: number,
    sink: DirectorySink,
  ): void {
    this.#listing.list(ino, offset, sink)
  }

  releasedir(_caller: Caller, ino: number): void {
    this.#names.release(ino, { by: 'kernel' })
  }

  fsyncdir(): void {
    this.#parts.engine.sync()
  }

  syncfs(): void {
    this.#parts.database.sync()
    this.#parts.engine.sync()
  }

  statfs(): FileSystemStatistics {
    return statisticsOf(this.#parts.engine.read(keptTotals()), this.#parts.spaceDirectory)
  }

  forget(invalidated: readonly Forgotten[]): void {
    for (const [ino] of invalidated) this.#names.forget(ino)
  }

  setxattr(_caller: Caller, ino: number, name: Uint8Array, value: Uint8Array, flags: number): void {
    this.#xattrs.set(ino, name, value, flags)
  }

  getxattr(_caller: Caller, ino: number, name: Uint8Array): Uint8Array {
    return this.#xattrs.get(ino, name)
  }

  listxattr(_caller: Caller, ino: number): Uint8Array {
    return this.#xattrs.list(ino)
  }

  removexattr(_caller: Caller, ino: number, name: Uint8Array): void {
    this.#xattrs.remove(ino, name)
  }

  getLock(_caller: Caller, ino: number, owner: string, lock: FileLock): FileLock | undefined {
    return this.#parts.locks.get(ino, owner, lock)
  }

  setLock(
    _caller: Caller,
    ino: number,
    owner: string,
    lock: FileLock,
    how: { wait: boolean; handle: string },
  ): void {
    this.#parts.locks.set(ino, owner, lock, how)
  }

  releaseOpened(_caller: Caller, ino: number, handle: string): void {
    this.#parts.locks.releaseOpened(ino, handle)
  }

  releaseLocks(_caller: Caller, ino: number, owner: string, kind: LockKind): void {
    this.#parts.locks.release(ino, owner, kind)
  }

  close(): void {
    this.#parts.closeCache()
    this.#parts.engine.close()
  }

  #read<T>(rule: Rule<T>): T {
    return this.#parts.engine.read(rule)
  }
}

function leaving(handle: number): Leaving {
  return { by: 'kernel', isDirect: isDirect(handle), wrote: mayWrite(handle) }
}

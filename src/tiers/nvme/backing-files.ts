/**
 * Chunk data on the local disk: one sparse file per inode, `data/<low byte of inode>/<inode>`, in
 * which each byte has the offset that it has in the file. Pre-images of chunks that must survive
 * being overwritten are in `aside/`; preallocated empty files for new inodes are in `spare/`. There
 * is one instance per thread; it caches a bounded number of descriptors and closes the least
 * recently opened. Which bytes of a file are present is recorded in the database of the node, not
 * here.
 *
 * Invariants: no symbolic link is followed; anything but a plain file is moved to `damaged/`, and
 * its inode then has no file. Callers change the file of an inode only under the lock of the inode,
 * so only one thread at a time creates it.
 */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { memoryOf } from '../../base/buffer-pool.ts'
import { FsError } from '../../base/fs-error.ts'
import { tiersLimits } from '../limits.ts'
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  dropCachedPages,
  fallocate,
  hasWriters,
  seekSparse,
} from '../../base/native-calls.ts'
import { PLAIN_FILE, makePrivateFolder } from '../../base/private-folder.ts'
import { DamagedFolder } from './damaged-folder.ts'
import type { PreallocatedFiles } from './preallocated-files.ts'

/** Number of subdirectories of `data/`. */
export const SHARDS = 256
const S_ISVTX = 0o1000
/** Alignment that O_DIRECT needs at most. */
const PAGE_BYTES = 4096
const READ = constants.O_RDONLY | PLAIN_FILE
const CHANGE = constants.O_RDWR | PLAIN_FILE
/** Errors of opening or removing a path at which there is no plain file. */
const NOT_PLAIN = ['ENOENT', 'ELOOP', 'EISDIR', 'EPERM', 'ENXIO', 'ENOTDIR']
const REPLACE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | PLAIN_FILE

export interface BackingStat {
  size: number
  blocks: number
  mtimeMs: number
  ctimeMs: number
  mode: number
  nlink: number
}

/** Changes that other threads made to the files. */
export interface FileChanges {
  /** Increases when the file at the path of an inode is replaced or removed. */
  generationOf: (ino: number) => number
  /** Increases when descriptors of replaced and removed files must be closed. */
  epoch: () => number
}

interface OpenFile {
  fd: number
  /** File generation of the inode when the descriptor was opened. */
  generation: number
}

export class BackingFiles {
  readonly #directory: string
  readonly #open = new Map<number, OpenFile>()
  readonly #changes: FileChanges
  readonly #preallocatedFiles: PreallocatedFiles | undefined
  #epoch = 0

  /** `preallocatedFiles`: undefined if this instance writes nothing. */
  constructor(directory: string, changes: FileChanges, preallocatedFiles?: PreallocatedFiles) {
    this.#directory = directory
    this.#changes = changes
    this.#preallocatedFiles = preallocatedFiles
  }

  /** Creates the directories. Call once, before any thread uses them. */
  static prepare(directory: string): void {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    for (const name of ['aside', 'data']) makePrivateFolder(join(directory, name))
    for (let shard = 0; shard < SHARDS; shard++) {
      makePrivateFolder(join(directory, 'data', shardName(shard)))
    }
  }

  /** Whether the data directory exists; if it does not, an absent file proves nothing. */
  isThere(): boolean {
    return existsSync(join(this.#directory, 'data'))
  }

  path(ino: number): string {
    return join(this.#directory, 'data', shardName(ino % SHARDS), String(ino))
  }

  preImagePath(name: string): string {
    return join(this.#directory, 'aside', name)
  }

  /** Returns the bytes read: fewer than requested at the end of the file, 0 if there is no file. */
  read(ino: number, target: Uint8Array, offset: number): number {
    const fd = this.#descriptor(ino, false)
    if (fd < 0) return 0
    let done = 0
    while (done < target.length) {
      const read = readSync(fd, target, done, target.length - done, offset + done)
      if (read === 0) break
      done += read
    }
    return done
  }

  /** Writes all of `source`. Creates the file if it does not exist; EIO if `makes` is false. */
  write(ino: number, source: Uint8Array, offset: number, makes = true): void {
    const fd = this.#descriptor(ino, makes)
    if (fd < 0)
      throw new FsError('EIO', `${this.path(ino)} does not exist`, { path: this.path(ino) })
    let done = 0
    while (done < source.length) {
      done += writeSync(fd, source, done, source.length - done, offset + done)
    }
  }

  /** Shrinks or extends the file if it exists. */
  truncate(ino: number, size: number): void {
    const fd = this.#descriptor(ino, false)
    if (fd >= 0) ftruncateSync(fd, size)
  }

  /** Truncates the file if it is longer than `size`; a shorter one is not extended. */
  truncateTo(ino: number, size: number): void {
    const fd = this.#descriptor(ino, false)
    if (fd >= 0 && fstatSync(fd).size > size) ftruncateSync(fd, size)
  }

  allocate(ino: number, mode: number, offset: number, length: number): void {
    fallocate(this.#descriptor(ino, true), mode, offset, length)
  }

  punch(ino: number, offset: number, length: number): void {
    const fd = this.#descriptor(ino, false)
    if (fd >= 0) fallocate(fd, FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, offset, length)
  }

  /** As lseek(2); -1 if there is no file, no data or no hole after `offset`. */
  seek(ino: number, offset: number, whence: number): number {
    const fd = this.#descriptor(ino, false)
    return fd < 0 ? -1 : seekSparse(fd, offset, whence)
  }

  sync(ino: number): void {
    const fd = this.#descriptor(ino, false)
    if (fd >= 0) fdatasyncSync(fd)
  }

  /** Whether another program put another file at the path since this thread opened the file. */
  isReplaced(ino: number): boolean {
    const known = this.#open.get(ino)
    if (known?.generation !== this.#changes.generationOf(ino)) return false
    const [there, opened] = [
      lstatSync(this.path(ino), { throwIfNoEntry: false }),
      fstatSync(known.fd),
    ]
    return there?.ino !== opened.ino
  }

  /** Undefined if there is no file. */
  stat(ino: number): BackingStat | undefined {
    const known = this.#open.get(ino)
    if (known?.generation !== this.#changes.generationOf(ino)) {
      return this.#plain(this.path(ino))
    }
    const stat = fstatSync(known.fd)
    // Another thread removed or replaced the file at its path.
    return stat.nlink > 0 ? stat : undefined
  }

  /**
   * Whether the file was ever opened for passthrough reads. Programs may have it mapped, and the
   * kernel does not report when a mapping ends. The sticky bit of the file records this, because it
   * must be known as long as the file exists: after `punch`, such a reader would see zeros.
   */
  isPassthrough(ino: number): boolean {
    return ((this.stat(ino)?.mode ?? 0) & S_ISVTX) !== 0
  }

  /** Creates the file if it does not exist. */
  make(ino: number): void {
    this.#descriptor(ino, true)
  }

  /** Sets the mark that `isPassthrough` reads; programs may have the file mapped from now on. */
  markPassthrough(ino: number): void {
    const { mode } = lstatSync(this.path(ino))
    if ((mode & S_ISVTX) === 0) chmodSync(this.path(ino), (mode & 0o777) | S_ISVTX)
  }

  /**
   * Calls `use` with a read-only descriptor of the file: a holder of it does not count as a writer.
   */
  give<T>(ino: number, use: (fd: number) => T): T {
    const fd = openSync(this.path(ino), READ)
    try {
      return use(fd)
    } finally {
      closeSync(fd)
    }
  }

  remove(ino: number): void {
    this.#forget(ino)
    this.#removeIfThere(this.path(ino))
  }

  /** Copies `length` bytes at `offset` to the pre-image `name`; fewer if the file ends before. */
  savePreImage(ino: number, offset: number, length: number, name: string): void {
    const fd = openSync(this.preImagePath(name), REPLACE, 0o600)
    try {
      this.copyTo(fd, 0, ino, offset, length)
    } finally {
      closeSync(fd)
    }
  }

  /**
   * Copies `length` bytes at `offset` of the file to position `place` of `fd`; fewer if the file
   * ends before.
   */
  copyTo(fd: number, place: number, ino: number, offset: number, length: number): void {
    // In blocks: a buffer of the full length would be large garbage for each copy.
    const copy = Buffer.allocUnsafe(Math.min(length, tiersLimits.copyBlockBytes))
    for (let done = 0; done < length;) {
      const part = copy.subarray(0, Math.min(copy.length, length - done))
      const read = this.read(ino, part, offset + done)
      if (read === 0) return
      for (let at = 0; at < read;) at += writeSync(fd, part, at, read - at, place + done + at)
      done += read
    }
  }

  /** Renames the whole file to the pre-image `name`; the inode has no file afterwards. */
  savePreImageOfFile(ino: number, name: string): void {
    this.#forget(ino)
    renameSync(this.path(ino), this.preImagePath(name))
  }

  /** Whether a pre-image equals the bytes at `offset` of the file. */
  matchesPreImage(
    ino: number,
    offset: number,
    length: number,
    name: string,
    preImageOffset: number,
  ) {
    const now = Buffer.alloc(length)
    this.read(ino, now, offset)
    const before = Buffer.alloc(length)
    const fd = this.#tryOpen(this.preImagePath(name), READ)
    if (fd < 0) return false
    try {
      for (let done = 0; done < length;) {
        const read = readSync(fd, before, done, length - done, preImageOffset + done)
        if (read === 0) return false
        done += read
      }
    } finally {
      closeSync(fd)
    }
    return now.equals(before)
  }

  /** Whether a descriptor or mapping other than this thread's can write the file. */
  hasWriters(ino: number): boolean {
    this.#forget(ino)
    const fd = this.#tryOpen(this.path(ino), READ)
    if (fd < 0) return false
    try {
      return hasWriters(fd)
    } finally {
      closeSync(fd)
    }
  }

  removePreImage(name: string): void {
    this.#removeIfThere(this.preImagePath(name))
  }

  /** Reads without blocking the thread; undefined if the file ends before `offset + length`. */
  async readDetached(
    path: string,
    offset: number,
    length: number,
    into?: Buffer,
  ): Promise<Buffer | undefined> {
    const data = memoryOf(length, into)
    if (this.#plain(path) === undefined) return undefined
    await using file = await open(path, READ)
    let done = 0
    while (done < length) {
      const { bytesRead } = await file.read(data, done, length - done, offset + done)
      if (bytesRead === 0) return undefined
      done += bytesRead
    }
    return data
  }

  /**
   * As `readDetached`, but from the disk, past the page cache, if the file system can (O_DIRECT).
   * `into`: whole pages (base/buffer-pool.ts).
   */
  async readFromDisk(
    path: string,
    offset: number,
    length: number,
    into: Buffer,
  ): Promise<Buffer | undefined> {
    const whole = Math.ceil(length / PAGE_BYTES) * PAGE_BYTES
    if (offset % PAGE_BYTES !== 0 || whole > into.length || this.#plain(path) === undefined) {
      return await this.readDetached(path, offset, length, into)
    }
    try {
      await using file = await open(path, READ | constants.O_DIRECT)
      const { bytesRead } = await file.read(into, 0, whole, offset)
      return bytesRead < length ? undefined : into.subarray(0, length)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
      return await this.readDetached(path, offset, length, into)
    }
  }

  /** The next read of these bytes comes from the disk, unless a program has them mapped. */
  dropCached(ino: number, offset: number, length: number): void {
    const fd = this.#descriptor(ino, false)
    if (fd >= 0) dropCachedPages(fd, offset, length)
  }

  /** As `readDetached`, on this thread; also undefined if there is no file. */
  readNow(path: string, offset: number, length: number): Buffer | undefined {
    const fd = this.#tryOpen(path, READ)
    if (fd < 0) return undefined
    const data = Buffer.allocUnsafe(length)
    try {
      for (let done = 0; done < length;) {
        const read = readSync(fd, data, done, length - done, offset + done)
        if (read === 0) return undefined
        done += read
      }
      return data
    } finally {
      closeSync(fd)
    }
  }

  close(): void {
    for (const ino of [...this.#open.keys()]) this.#forget(ino)
  }

  /**
   * Closes descriptors of replaced and removed files if the epoch has changed since the last call.
   */
  closeVoid(): void {
    const epoch = this.#changes.epoch()
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    for (const [ino, { generation }] of this.#open) {
      if (generation !== this.#changes.generationOf(ino)) this.#forget(ino)
    }
  }

  #descriptor(ino: number, create: boolean): number {
    const generation = this.#changes.generationOf(ino)
    const known = this.#open.get(ino)
    if (known?.generation === generation) return known.fd
    this.#forget(ino)
    const path = this.path(ino)
    const fd = create ? this.#openOrMake(path) : this.#tryOpen(path, CHANGE)
    if (fd < 0) return fd
    if (this.#open.size >= tiersLimits.backingDescriptors) this.#forgetOldest()
    this.#open.set(ino, { fd, generation })
    return fd
  }

  #openOrMake(path: string): number {
    const preallocated = this.#plain(path) ? -1 : (this.#preallocatedFiles?.take(path) ?? -1)
    return preallocated >= 0 ? preallocated : openSync(path, CHANGE | constants.O_CREAT, 0o600)
  }

  /** Returns -1 if there is no plain file. */
  #tryOpen(path: string, flags: number): number {
    try {
      const fd = openSync(path, flags)
      if (fstatSync(fd).isFile()) return fd
      closeSync(fd)
      return this.#plain(path) === undefined ? -1 : this.#tryOpen(path, flags)
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (NOT_PLAIN.includes(code) && this.#plain(path) === undefined) return -1
      throw error
    }
  }

  /** Stats of a plain file. Moves anything else to `damaged/`; undefined: there is no file now. */
  #plain(path: string): Stats | undefined {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined || stat.isFile()) return stat
    new DamagedFolder(this.#directory).quarantine(path)
    return undefined
  }

  #removeIfThere(path: string): void {
    try {
      unlinkSync(path)
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (NOT_PLAIN.includes(code) && this.#plain(path) === undefined) return
      throw error
    }
  }

  #forgetOldest(): void {
    const oldest = this.#open.keys().next()
    if (oldest.done !== true) this.#forget(oldest.value)
  }

  #forget(ino: number): void {
    const known = this.#open.get(ino)
    if (known === undefined) return
    this.#open.delete(ino)
    closeSync(known.fd)
  }
}

export function shardName(shard: number): string {
  return shard.toString(16).padStart(2, '0')
}

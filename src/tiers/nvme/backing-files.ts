/**
 * Bytes on the local disk: one sparse file per inode, `data/<low byte of inode>/<inode>`, each byte
 * at the offset that it has in the file. Chunks that must outlive being overwritten are set aside
 * under `aside/`; empty files wait in `spare/` to become new ones. One instance per thread;
 * descriptors are few, least recently used go first. Which bytes of a file are there is not known
 * here (the node's database knows).
 *
 * Callers change the file of an inode under the inode's lock: there is one maker of it at a time.
 */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { memoryOf } from '../../base/buffer-pool.ts'
import { FsError } from '../../base/fs-error.ts'
import { limits } from '../../limits.ts'
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  fallocate,
  hasWriters,
  seekSparse,
} from '../../base/native-calls.ts'
import { makePrivateFolder } from '../../base/private-folder.ts'
import type { SpareFiles } from './spare-files.ts'

/** Folders of `data/`. */
export const SHARDS = 256
const S_ISVTX = 0o1000

export interface BackingStat {
  size: number
  blocks: number
  mtimeMs: number
  ctimeMs: number
  mode: number
  nlink: number
}

/** What other threads did to the files. */
export interface FileChanges {
  /** Grows when the file at an inode's path is replaced or removed. */
  generationOf: (ino: number) => number
  /** Grows when descriptors of such files are to be closed. */
  epoch: () => number
}

interface OpenFile {
  fd: number
  /** Value of the inode's file generation when it was opened. */
  generation: number
}

export class BackingFiles {
  readonly #directory: string
  readonly #open = new Map<number, OpenFile>()
  readonly #changes: FileChanges
  readonly #spares: SpareFiles | undefined
  #epoch = 0

  /** `spares`: undefined where nothing is written. */
  constructor(directory: string, changes: FileChanges, spares?: SpareFiles) {
    this.#directory = directory
    this.#changes = changes
    this.#spares = spares
  }

  /** Makes the folders; once, before any thread uses them. */
  static prepare(directory: string): void {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    for (const name of ['aside', 'data']) makePrivateFolder(join(directory, name))
    for (let shard = 0; shard < SHARDS; shard++) {
      makePrivateFolder(join(directory, 'data', shardName(shard)))
    }
  }

  /** The folder that the files are in: where it is not, no file can be missed. */
  isThere(): boolean {
    return existsSync(join(this.#directory, 'data'))
  }

  path(ino: number): string {
    return join(this.#directory, 'data', shardName(ino % SHARDS), String(ino))
  }

  asidePath(name: string): string {
    return join(this.#directory, 'aside', name)
  }

  /** Bytes read; 0 also where there is no such file. Fewer than asked at its end. */
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

  /** Writes all of `source`; makes the file where there is none, unless it has to be there. */
  write(ino: number, source: Uint8Array, offset: number, makes = true): void {
    const fd = this.#descriptor(ino, makes)
    if (fd < 0) throw new FsError('EIO', `${this.path(ino)} is gone`, { path: this.path(ino) })
    let done = 0
    while (done < source.length) {
      done += writeSync(fd, source, done, source.length - done, offset + done)
    }
  }

  /** Cuts or extends the file, where there is one. */
  truncate(ino: number, size: number): void {
    const fd = this.#descriptor(ino, false)
    if (fd >= 0) ftruncateSync(fd, size)
  }

  allocate(ino: number, mode: number, offset: number, length: number): void {
    fallocate(this.#descriptor(ino, true), mode, offset, length)
  }

  punch(ino: number, offset: number, length: number): void {
    const fd = this.#descriptor(ino, false)
    if (fd >= 0) fallocate(fd, FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, offset, length)
  }

  /** As lseek(2); -1 where there is nothing more to find. */
  seek(ino: number, offset: number, whence: number): number {
    const fd = this.#descriptor(ino, false)
    return fd < 0 ? -1 : seekSparse(fd, offset, whence)
  }

  sync(ino: number): void {
    const fd = this.#descriptor(ino, false)
    if (fd >= 0) fdatasyncSync(fd)
  }

  /** Size and allocated 512-byte blocks; undefined where there is no file. */
  stat(ino: number): BackingStat | undefined {
    const known = this.#open.get(ino)
    if (known?.generation !== this.#changes.generationOf(ino)) {
      return statSync(this.path(ino), { throwIfNoEntry: false })
    }
    const stat = fstatSync(known.fd)
    // Somebody else has removed or replaced the file at its path.
    return stat.nlink > 0 ? stat : undefined
  }

  /**
   * Whether the kernel was told to read the file by itself, ever: programs may have it mapped, and
   * nobody is told when that ends. The file's mode says so, since it has to be known for as long as
   * there is the file. From its `punch` on such a reader would see zeros.
   */
  isLent(ino: number): boolean {
    return ((this.stat(ino)?.mode ?? 0) & S_ISVTX) !== 0
  }

  /** Makes the file, where there is none. */
  make(ino: number): void {
    this.#descriptor(ino, true)
  }

  /** Programs may have it mapped from here on: see `isLent`. */
  markLent(ino: number): void {
    const { mode } = statSync(this.path(ino))
    if ((mode & S_ISVTX) === 0) chmodSync(this.path(ino), (mode & 0o777) | S_ISVTX)
  }

  /** Gives the file, open for reading, to `use`: who keeps it that way is not one who writes it. */
  give<T>(ino: number, use: (fd: number) => T): T {
    const fd = openSync(this.path(ino), 'r')
    try {
      return use(fd)
    } finally {
      closeSync(fd)
    }
  }

  remove(ino: number): void {
    this.#forget(ino)
    removeIfThere(this.path(ino))
  }

  /** Keeps `length` bytes at `offset` of the file under another name; fewer where it ends. */
  setAside(ino: number, offset: number, length: number, name: string): void {
    const fd = openSync(this.asidePath(name), 'w', 0o600)
    try {
      this.copyTo(fd, 0, ino, offset, length)
    } finally {
      closeSync(fd)
    }
  }

  /** Writes `length` bytes at `offset` of the file at `place` of another; fewer where it ends. */
  copyTo(fd: number, place: number, ino: number, offset: number, length: number): void {
    // Not all at once: what is copied is garbage afterwards, of a thread that makes little else.
    const copy = Buffer.allocUnsafe(Math.min(length, limits.copyBlockBytes))
    for (let done = 0; done < length;) {
      const part = copy.subarray(0, Math.min(copy.length, length - done))
      const read = this.read(ino, part, offset + done)
      if (read === 0) return
      for (let at = 0; at < read;) at += writeSync(fd, part, at, read - at, place + done + at)
      done += read
    }
  }

  /** Keeps the whole file under another name; the inode has no file then. */
  setAsideWhole(ino: number, name: string): void {
    this.#forget(ino)
    renameSync(this.path(ino), this.asidePath(name))
  }

  /** Whether bytes that were set aside are still those at `offset` of the file. */
  isAsAside(ino: number, offset: number, length: number, name: string, asideOffset: number) {
    const now = Buffer.alloc(length)
    this.read(ino, now, offset)
    const before = Buffer.alloc(length)
    const fd = tryOpen(this.asidePath(name))
    if (fd < 0) return false
    try {
      for (let done = 0; done < length;) {
        const read = readSync(fd, before, done, length - done, asideOffset + done)
        if (read === 0) return false
        done += read
      }
    } finally {
      closeSync(fd)
    }
    return now.equals(before)
  }

  /** Whether anybody has the file open for writing, or mapped so, beside this thread. */
  hasWriters(ino: number): boolean {
    this.#forget(ino)
    try {
      const fd = openSync(this.path(ino), 'r')
      try {
        return hasWriters(fd)
      } finally {
        closeSync(fd)
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }

  removeAside(name: string): void {
    removeIfThere(this.asidePath(name))
  }

  /** Reads without occupying the thread; undefined where the file ends before. */
  async readDetached(
    path: string,
    offset: number,
    length: number,
    into?: Buffer,
  ): Promise<Buffer | undefined> {
    const data = memoryOf(length, into)
    await using file = await open(path, 'r')
    let done = 0
    while (done < length) {
      const { bytesRead } = await file.read(data, done, length - done, offset + done)
      if (bytesRead === 0) return undefined
      done += bytesRead
    }
    return data
  }

  close(): void {
    for (const ino of [...this.#open.keys()]) this.#forget(ino)
  }

  /** Closes descriptors of files that were replaced, if there is reason to hurry. */
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
    const fd = create ? this.#openOrMake(path) : tryOpen(path)
    if (fd < 0) return fd
    if (this.#open.size >= limits.backingDescriptors) this.#forgetOldest()
    this.#open.set(ino, { fd, generation })
    return fd
  }

  #openOrMake(path: string): number {
    const spare = existsSync(path) ? -1 : (this.#spares?.take(path) ?? -1)
    return spare >= 0 ? spare : openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
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

/** -1 where it is not there. */
function tryOpen(path: string): number {
  try {
    return openSync(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return -1
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

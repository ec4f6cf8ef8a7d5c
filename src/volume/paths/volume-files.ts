/**
 * The volume by path, for callers other than the kernel: the HTTP API and the tools. It works on
 * the same inodes as the mount and reports every change, so that the kernel's caches are
 * invalidated. Symbolic links are followed inside the volume only. Runs on the main thread and
 * waits without blocking it.
 */
import { Suspended, type WaitResult } from '../../base/suspended.ts'
import { throwIfAborted } from '../../base/async/abort.ts'
import { BufferPool, pages } from '../../base/buffer-pool.ts'
import { FsError, codeOf } from '../../base/fs-error.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import { failure } from '../../filesystem/failure.ts'
import type { CallOptions, ContentOptions, ReplaceOptions } from '../../filesystem/file-system.ts'
import type { ServedFiles } from '../../filesystem/http/service/file-request.ts'
import {
  ROOT_INODE,
  type Attributes,
  type Caller,
  type DirectorySink,
} from '../../filesystem/inode-file-system.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'
import { Dirent, kindOf, type Stats } from '../../filesystem/stats.ts'
import { volumeLimits } from '../limits.ts'
import { S_IFDIR, S_IFMT, S_IFREG } from '../../metadata/inode-rules.ts'
import { FileReplacement, requireFile } from './file-replacement.ts'
import type { ReplacementParts } from './file-replacement.ts'
import { statsOf } from './file-stats.ts'
import { PathResolver, at, requireDirectory, type Found } from './path-resolver.ts'
import type { Volume } from '../volume.ts'

/** Invalidates what the kernel may have cached. */
export interface Changes {
  /** The name now refers to another inode, or to none. */
  entry(parent: number, name: Uint8Array): Promise<void>
  /** The attributes or the content of an inode changed. */
  inode(ino: number): Promise<void>
}

export interface VolumeFilesOptions {
  volume: Volume
  resolveWait: (
    condition: unknown,
    how: { signal?: AbortSignal },
  ) => Promise<WaitResult | undefined>
  changes: Changes
  /** Called before possibly damaged bytes are returned; removes damaged chunks from the cache. */
  verify?: (ino: number, offset: number, length: number) => void
  /** Called with errors that occur after the caller was answered. */
  onLateFailure: (error: unknown) => void
}

/** A regular file found by a walk. */
export interface WalkedFile {
  ino: number
  /** Bytes. */
  size: number
}

interface Entry {
  name: Buffer
  ino: number
  type: number
  next: number
  attributes: Attributes | undefined
}

export class VolumeFiles implements ServedFiles {
  readonly #options: VolumeFilesOptions
  readonly #volume: Volume
  readonly #resolveWait: VolumeFilesOptions['resolveWait']
  readonly #changes: Changes
  readonly #paths: PathResolver
  readonly #replacing: ReplacementParts
  /** One page at a time for all listings together; other work runs between two pages. */
  readonly #pageTurn = new Semaphore(1)
  /** One buffer for each file that is being read or copied. */
  readonly #blocks = new BufferPool(volumeLimits.apiBlockBytes, pages)
  readonly #caller: Caller = {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    pid: process.pid,
  }

  constructor(options: VolumeFilesOptions) {
    this.#options = options
    this.#volume = options.volume
    this.#resolveWait = options.resolveWait
    this.#changes = options.changes
    this.#paths = new PathResolver(options.volume, this.#caller)
    this.#replacing = {
      ...{ volume: options.volume, paths: this.#paths, caller: this.#caller },
      blocks: this.#blocks,
      run: (operation, signal) => this.#run(operation, signal),
      release: (ino) => this.#release(ino),
      makeParents: (path) => this.#makeParents(path, 0o755),
      changed: async ({ parent, name }, replaced) => {
        await this.#changed(parent, name)
        if (replaced !== undefined) await this.#changes.inode(replaced)
      },
    }
  }

  async stat(path: string, { signal }: CallOptions = {}): Promise<Stats> {
    return statsOf((await this.#resolve(path, true, signal)).attributes)
  }

  async lstat(path: string, { signal }: CallOptions = {}): Promise<Stats> {
    return statsOf((await this.#resolve(path, false, signal)).attributes)
  }

  /** The inode at a path; a final symbolic link is not followed. */
  async inode(path: string): Promise<Attributes> {
    return (await this.#resolve(path, false)).attributes
  }

  /** `value` undefined: removes the attribute. */
  async setXattr(path: string, name: Uint8Array, value: Uint8Array | undefined): Promise<void> {
    const { ino } = await this.inode(path)
    await this.#run(() => {
      if (value) this.#volume.setxattr(this.#caller, ino, name, value, 0)
      else this.#volume.removexattr(this.#caller, ino, name)
    })
    await this.#changes.inode(ino)
  }

  async *list(path: string, options: CallOptions = {}): AsyncIterable<Dirent> {
    const { ino } = await this.#directory(path, options.signal)
    for await (const page of this.#pages(ino, false)) {
      throwIfAborted(options.signal)
      for (const { name, type } of page) yield new Dirent(name.toString(), path, kindOf(type))
    }
  }

  /**
   * Regular files at and below a path, by inode, since names may be any bytes. One page at a time.
   */
  async *walk(path: string, options?: CallOptions): AsyncGenerator<WalkedFile[]> {
    const start = await this.inode(path)
    if ((start.mode & S_IFMT) === S_IFREG) yield [{ ino: start.ino, size: start.size }]
    const pending = (start.mode & S_IFMT) === S_IFDIR ? [start.ino] : []
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for await (const page of this.#pages(next, true)) {
        throwIfAborted(options?.signal)
        const files: WalkedFile[] = []
        for (const { ino, type, attributes } of page) {
          if (type === S_IFDIR) pending.push(ino)
          if (type === S_IFREG && attributes) files.push({ ino, size: attributes.size })
        }
        if (files.length > 0) yield files
      }
    }
  }

  /** Entries of a directory, with one page in memory at a time. */
  async *#pages(ino: number, plus: boolean): AsyncGenerator<Entry[]> {
    const page: Entry[] = []
    const sink: DirectorySink = {
      plus,
      add(name, entryIno, type, next, attributes) {
        if (page.length === filesystemLimits.directoryPage) return false
        page.push({ name: Buffer.from(name), ino: entryIno, type, next, attributes })
        return true
      },
    }
    await this.#run(() => this.#volume.names.use(ino))
    try {
      for (let after = 2; ;) {
        const from = after
        await this.#pageTurn.run(async () => {
          await this.#run(() => {
            page.length = 0
            this.#volume.readdir(this.#caller, ino, 0, from, sink)
          })
          // Thousands of pages in a row would delay all other work on this thread.
          await new Promise(setImmediate)
        })
        const last = page.at(-1)
        if (last === undefined) return
        after = last.next
        yield [...page]
      }
    } finally {
      await this.#run(() => this.#volume.names.release(ino, { by: 'here' }))
    }
  }

  async unlink(path: string, options?: CallOptions): Promise<void> {
    await this.#remove(path, options, (parent, name) => {
      this.#volume.unlink(this.#caller, parent, name)
    })
  }

  async rmdir(path: string, options?: CallOptions): Promise<void> {
    await this.#remove(path, options, (parent, name) => {
      this.#volume.rmdir(this.#caller, parent, name)
    })
  }

  async #remove(
    path: string,
    { signal }: CallOptions = {},
    remove: (parent: number, name: Uint8Array) => void,
  ): Promise<void> {
    const { attributes, parent, name } = await this.#resolve(path, false, signal)
    if (attributes.ino === ROOT_INODE) throw new FsError('EBUSY', 'the root stays', { path })
    await this.#run(() => at(path, () => remove(parent, name)), signal)
    await Promise.all([this.#changed(parent, name), this.#changes.inode(attributes.ino)])
  }

  /** Requesting the next block reuses the memory of the last one. */
  async *content(path: string, options: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    const { attributes } = await this.#resolve(path, true, options.signal)
    requireFile(attributes, path)
    const { ifMatch } = options
    if (ifMatch !== undefined && statsOf(attributes).etag !== ifMatch) {
      throw failure('ESTALE', 'read', path)
    }
    await this.#run(() => this.#volume.names.use(attributes.ino))
    using block = this.#blocks.take()
    try {
      yield* this.#content(path, attributes, options, block.memory)
    } finally {
      this.#release(attributes.ino)
    }
  }

  async *#content(
    path: string,
    { ino, size, ctimeSec, ctimeNsec }: Attributes,
    { start = 0, end = size - 1, signal }: ContentOptions,
    memory: Buffer,
  ): AsyncGenerator<Uint8Array> {
    for (let offset = start; offset <= end;) {
      const block = memory.subarray(0, Math.min(memory.length, end + 1 - offset))
      this.#options.verify?.(ino, offset, block.length)
      const read = await this.#run(() => {
        return this.#volume.read(this.#caller, ino, 0, offset, block)
      }, signal)
      const now = await this.#run(() => this.#volume.getattr(this.#caller, ino), signal)
      if (now.ctimeSec !== ctimeSec || now.ctimeNsec !== ctimeNsec || read === 0) {
        throw new FsError('ESTALE', 'the file was changed while it was read: try again', { path })
      }
      yield block.subarray(0, read)
      offset += read
    }
  }

  /** Missing directories are created once the content is complete. */
  async replace(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions = {},
  ): Promise<Stats> {
    const replacement = new FileReplacement(this.#replacing, path, options)
    return statsOf(await replacement.run(source))
  }

  #resolve(path: string, follow: boolean, signal?: AbortSignal): Promise<Found> {
    return this.#run(() => this.#paths.resolve(path, follow), signal)
  }

  /** Ends a use after the caller has been answered; not awaited. */
  #release(ino: number): void {
    const release = this.#run(() => {
      this.#volume.names.release(ino, { by: 'here' })
    })
    release.catch(this.#options.onLateFailure)
  }

  /** Runs an operation and resolves what it waits for, until it completes. */
  async #run<T>(operation: () => T, signal?: AbortSignal): Promise<T> {
    const results: WaitResult[] = []
    for (;;) {
      throwIfAborted(signal)
      try {
        return this.#volume.run(results, operation)
      } catch (error) {
        if (!(error instanceof Suspended)) throw error
        const result = await this.#resolveWait(error.condition, signal ? { signal } : {})
        if (result) results.push(result)
      }
    }
  }

  /** Existing parts may be symbolic links to directories. */
  async #makeParents(path: string, mode: number): Promise<void> {
    const { parent, missing } = await this.#run(() => this.#paths.nearest(path))
    let ino = parent
    for (const name of missing) ino = await this.#enter(path, ino, name, mode)
  }

  /** Creates a directory, or finds the one that was created concurrently. */
  async #enter(path: string, parent: number, name: Uint8Array, mode: number): Promise<number> {
    try {
      const make = (): Attributes => this.#volume.mkdir(this.#caller, parent, name, mode)
      const { ino } = await this.#run(() => at(path, make))
      await this.#changed(parent, name)
      return ino
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      const look = (): Attributes => this.#volume.lookup(this.#caller, parent, name)
      return requireDirectory(await this.#run(() => at(path, look)), path)
    }
  }

  /**
   * Resolves when the kernel is notified: a caller answered after that sees the change in the
   * mount.
   */
  async #changed(parent: number, name: Uint8Array): Promise<void> {
    await Promise.all([this.#changes.entry(parent, name), this.#changes.inode(parent)])
  }

  async #directory(path: string, signal?: AbortSignal): Promise<Attributes> {
    const { attributes } = await this.#resolve(path, true, signal)
    if ((attributes.mode & S_IFMT) !== S_IFDIR) {
      throw new FsError('ENOTDIR', `${path} is no directory`, { path })
    }
    return attributes
  }
}

/**
 * Writes a whole file and puts it in place of the file at a path: the content goes into a file
 * without a name, which is then renamed to the path in one step. It gets owner, mode and extended
 * attributes of the file that it replaces. If that file has several hard links, the content is
 * copied into it instead, so that all its names see it.
 *
 * Invariants: if the source fails, the old file is unchanged, and no directory was created;
 * symbolic links are followed, as open(2) does.
 */
import type { BufferPool } from '../../base/buffer-pool.ts'
import { FsError, codeOf } from '../../base/fs-error.ts'
import { failure } from '../../filesystem/failure.ts'
import type { ReplaceOptions } from '../../filesystem/file-system.ts'
import type { Attributes, Caller } from '../../filesystem/inode-file-system.ts'
import { volumeLimits } from '../limits.ts'
import { S_IFDIR, S_IFMT, S_IFREG } from '../../metadata/inode-rules.ts'
import { statsOf } from './file-stats.ts'
import { at, type PathResolver, type Target } from './path-resolver.ts'
import type { Volume } from '../volume.ts'

const HOW = { append: false, killSetId: false, writeback: false }

export interface ReplacementParts {
  volume: Volume
  paths: PathResolver
  caller: Caller
  /** Buffers for copies of content. */
  blocks: BufferPool
  /** Runs an operation until it completes. */
  run: <T>(operation: () => T, signal?: AbortSignal) => Promise<T>
  /** Ends one use of an inode; the caller does not wait for it. */
  release: (ino: number) => void
  makeParents: (path: string) => Promise<void>
  /** Notifies the kernel. */
  changed: (place: Target, replaced: number | undefined) => Promise<void>
}

export class FileReplacement {
  readonly #parts: ReplacementParts
  readonly #path: string
  readonly #options: ReplaceOptions

  constructor(parts: ReplacementParts, path: string, options: ReplaceOptions) {
    this.#parts = parts
    this.#path = path
    this.#options = options
  }

  async run(source: AsyncIterable<Uint8Array>): Promise<Attributes> {
    const { volume, caller, run, release } = this.#parts
    const { signal, mode = 0o644 } = this.#options
    const parent = await this.#nearest(signal)
    const { names } = volume
    const ino = await run(() => names.createOrphan(caller, parent, mode), signal)
    let published: number | undefined
    try {
      await this.#fill(ino, source)
      await this.#parts.makeParents(this.#path)
      published = await this.#publish(ino)
      return await run(() => volume.getattr(caller, published ?? ino))
    } finally {
      if (published !== ino) names.abandon(ino)
      release(ino)
    }
  }

  /** The directory of the file, or the nearest existing one above it. */
  async #nearest(signal?: AbortSignal): Promise<number> {
    const { paths, run } = this.#parts
    try {
      return (await this.#target(signal)).parent
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return (await run(() => paths.nearest(this.#path), signal)).parent
    }
  }

  async #target(signal?: AbortSignal): Promise<Target> {
    const { paths, run } = this.#parts
    const target = await run(() => paths.target(this.#path), signal)
    if (target.attributes) requireFile(target.attributes, this.#path)
    return target
  }

  async #fill(ino: number, source: AsyncIterable<Uint8Array>): Promise<void> {
    const { volume, caller, run } = this.#parts
    const { signal } = this.#options
    let offset = 0
    for await (const block of source) {
      const position = offset
      await run(() => volume.write(caller, ino, 0, position, block, HOW), signal)
      offset += block.length
    }
  }

  /** Returns the inode that now has the content. */
  async #publish(ino: number): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const target = await this.#target()
      this.#requireVersion(target)
      try {
        if ((target.attributes?.nlink ?? 0) > 1) return await this.#overwrite(target, ino)
        return await this.#rename(target, ino)
      } catch (error) {
        // The file to replace was removed meanwhile.
        if (codeOf(error) !== 'ESTALE' || attempt === volumeLimits.createAttempts) throw error
      }
    }
  }

  #requireVersion({ attributes }: Target): void {
    const { ifMatch } = this.#options
    if (ifMatch === undefined) return
    const etag = attributes === undefined ? null : statsOf(attributes).etag
    if (etag !== ifMatch) throw failure('ESTALE', 'open', this.#path)
  }

  async #rename(target: Target, ino: number): Promise<number> {
    const { volume, caller, run, changed } = this.#parts
    const { mode, signal } = this.#options
    const replaced = target.attributes?.ino
    await run(() => {
      at(this.#path, () => {
        volume.names.publish(ino, target, { replaced, mode })
      })
    })
    await changed(target, replaced)
    await run(() => {
      volume.flush(caller, ino, 0)
    }, signal)
    return ino
  }

  /** The copy is not interruptible: that would leave a partial file. */
  async #overwrite(target: Target, source: number): Promise<number> {
    const { volume, caller, run, release, changed, blocks } = this.#parts
    const { ino = 0 } = target.attributes ?? {}
    await run(() => {
      volume.names.use(ino)
    })
    try {
      const { size } = await run(() => volume.getattr(caller, source))
      await run(() => volume.setattr(caller, ino, { size: 0, killSetId: true }))
      using memory = blocks.take()
      for (let offset = 0; offset < size;) {
        const block = memory.memory.subarray(0, size - offset)
        const from = offset
        await run(() => volume.read(caller, source, 0, from, block))
        await run(() => volume.write(caller, ino, 0, from, block, HOW))
        offset += block.length
      }
      await changed(target, ino)
      await run(() => {
        volume.flush(caller, ino, 0)
      }, this.#options.signal)
      return ino
    } finally {
      release(ino)
    }
  }
}

export function requireFile(attributes: Attributes, path: string): void {
  const type = attributes.mode & S_IFMT
  if (type === S_IFDIR) throw new FsError('EISDIR', `${path} is a directory`, { path })
  if (type !== S_IFREG) throw new FsError('EINVAL', `${path} is no regular file`, { path })
}

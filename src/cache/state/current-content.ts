/**
 * The content of files as programs on this node see it: the committed content with uncommitted
 * writes, and which chunks of it are on this node. Call everything under the lock of the inode.
 */
import type { PassthroughWrites } from '../passthrough/passthrough-writes.ts'
import type { CacheSettings } from './cache-settings.ts'
import type { ChunkIndex, CommittedChunk } from './chunk-index.ts'
import type { ChunkTable } from './chunk-table.ts'
import type { OpenInode } from './open-inode.ts'
import type { PresenceCache } from './presence-cache.ts'
import type { SharedState } from './shared-state.ts'

export interface CurrentContentParts {
  settings: CacheSettings
  shared: SharedState
  index: ChunkIndex
  chunks: ChunkTable
  presence: PresenceCache
  passthroughWrites: PassthroughWrites
}

export class CurrentContent {
  readonly #parts: CurrentContentParts

  constructor(parts: CurrentContentParts) {
    this.#parts = parts
  }

  /** Bytes of chunk `index` in a file of `size` bytes. */
  extent(index: number, size: number): number {
    const { chunkSize } = this.#parts.settings
    return Math.max(0, Math.min(chunkSize, size - index * chunkSize))
  }

  /** Size of the file, bytes. */
  size(ino: number): number {
    const { passthroughWrites, presence, index } = this.#parts
    const open = this.#open(ino)
    if (open !== undefined) {
      passthroughWrites.measure(ino, open)
      if (open.ahead || open.fresh || open.passthroughWrites) return open.size
    }
    const known = presence.of(ino)
    return (known.size ??= index.file(ino).size)
  }

  /** Whether the backing file has all bytes, regardless of the databases. */
  isHere(ino: number): boolean {
    const open = this.#open(ino)
    return open !== undefined && (open.fresh || open.passthroughWrites)
  }

  /** The valid part of the committed chunk at an index. */
  reference(ino: number, index: number): CommittedChunk | undefined {
    const reference = this.#parts.index.find(ino, index)
    if (reference === undefined) return undefined
    const open = this.#open(ino)
    if (open?.ahead !== true) return reference
    const { chunkSize } = this.#parts.settings
    const length = Math.min(reference.length, open.voidFrom - index * chunkSize)
    return length > 0 ? { ...reference, length } : undefined
  }

  /** Index of the first valid committed chunk from an index on; Infinity: there is none. */
  nextReference(ino: number, index: number): number {
    const next = this.#parts.index.findNext(ino, index)?.index
    if (next === undefined) return Infinity
    const open = this.#open(ino)
    const isVoid = open?.ahead === true && next * this.#parts.settings.chunkSize >= open.voidFrom
    return isVoid ? Infinity : next
  }

  /** Index of the first chunk from an index on that is not on this node. */
  firstAbsent(ino: number, from = 0): number | undefined {
    const { chunks, index, settings } = this.#parts
    const count = Math.ceil(this.size(ino) / settings.chunkSize)
    for (let at = from; at < count; at++) {
      if (!chunks.find(ino, at) && index.find(ino, at)) return at
    }
    return undefined
  }

  #open(ino: number): OpenInode | undefined {
    const { shared } = this.#parts
    return shared.mayBeOpen(ino) ? shared.findOpen(ino) : undefined
  }
}

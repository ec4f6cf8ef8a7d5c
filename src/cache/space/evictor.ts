/**
 * Frees the local disk: evicts the least recently used chunks that are durable, down to slightly
 * below the capacity, so that not every write has to evict. Runs on the main thread.
 *
 * Invariant: an eviction deletes the row first, then changes the generation, then removes the
 * bytes, so that readers notice it in time.
 */
import { cacheLimits } from '../limits.ts'
import { CLEAN, type LocalChunk } from '../state/chunk-table.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { Space } from './space.ts'

export interface EvictorParts {
  settings: CacheSettings
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  uploads: UploadJournal
  files: BackingFiles
  index: ChunkIndex
  space: Space
}

export class Evictor {
  readonly #parts: EvictorParts
  /** Number of files that were in use, and were marked as just used instead of evicted. */
  #kept = 0
  evictedChunks = 0
  evictedBytes = 0

  constructor(parts: EvictorParts) {
    this.#parts = parts
  }

  /** Evicts until there is room; false if nothing more can be evicted. */
  async makeRoom(bytes: number): Promise<boolean> {
    const { shared, space } = this.#parts
    space.measure()
    if (space.hasRoom(bytes)) return true
    // Eviction does not change the bound.
    const wantsMore = (): boolean =>
      shared.counter('usedBytes') + bytes > space.reachBytes * cacheLimits.evictTo
    const sinceMs = Date.now()
    while (wantsMore()) {
      if (!this.#evictBatch(wantsMore, sinceMs)) break
      space.measure()
      await new Promise(setImmediate)
    }
    return space.hasRoom(bytes)
  }

  /**
   * Evicts the oldest chunks while more room is needed. The youngest may have been fetched a moment
   * ago for an operation that is about to be resumed. False if none could be evicted, or all that
   * were not used since `sinceMs` were tried.
   */
  #evictBatch(wantsMore: () => boolean, sinceMs: number): boolean {
    const oldest = this.#parts.chunks.leastRecentlyUsed(cacheLimits.evictBatch)
    const keptBefore = this.#kept
    let evicted = 0
    for (const { ino, index } of oldest) {
      if (!wantsMore()) break
      const freed = this.evictChunk(ino, index)
      this.#parts.shared.add('freeBytes', freed)
      if (freed > 0) evicted += 1
    }
    const isOld = (oldest[0]?.accessed ?? sinceMs) < sinceMs
    return evicted > 0 || (isOld && this.#kept > keptBefore)
  }

  /** Evicts all evictable chunks of one inode; returns the bytes freed. */
  evictInode(ino: number): number {
    let bytes = 0
    for (let from = 0; ;) {
      const page = this.#parts.chunks.from(ino, from, cacheLimits.evictBatch)
      for (const { index } of page) bytes += this.evictChunk(ino, index)
      const last = page.at(-1)
      if (last === undefined) return bytes
      from = last.index + 1
    }
  }

  /** Returns the bytes freed; 0 if the chunk is not on this node or not durable. */
  evictChunk(ino: number, index: number): number {
    const { shared, database, chunks, uploads, files, settings } = this.#parts
    return shared.withInode(ino, () => {
      const row = chunks.find(ino, index)
      if (row === undefined || !this.#isSafe(ino, row)) return 0
      const isUsed = (shared.findOpen(ino)?.backing ?? 0) !== 0
      if (isUsed || files.isPassthrough(ino)) return this.#evictWhole(ino)
      database.transaction(() => {
        chunks.delete(ino, index)
      })
      shared.bumpChunks(ino)
      const isLast = chunks.from(ino, 0, 1).length === 0
      const isWritten = shared.findOpen(ino)?.ahead === true || uploads.has(ino)
      if (isLast && !isWritten) {
        files.remove(ino)
        shared.bumpFile(ino)
      } else {
        files.punch(ino, index * settings.chunkSize, settings.chunkSize)
      }
      this.#count(1, row.length)
      return row.length
    })
  }

  /** Whether the cloud has the same bytes. */
  #isSafe(ino: number, { state, index, id }: LocalChunk): boolean {
    if (state !== CLEAN) return false
    const durable = this.#parts.index.find(ino, index)
    return durable?.id === id && durable.durable
  }

  /**
   * Evicts a file that programs may have mapped as a whole, by unlinking it: existing mappings keep
   * it. A file that is in use, for example by passthrough, is kept.
   */
  #evictWhole(ino: number): number {
    const { shared, database, chunks, uploads, files } = this.#parts
    const rows = chunks.from(ino, 0, Number.MAX_SAFE_INTEGER)
    const open = shared.findOpen(ino)
    const isUsed =
      open !== undefined &&
      (open.backing !== 0 || open.mapped || open.passthroughWrites || open.ahead)
    if (isUsed || uploads.has(ino) || !rows.every((row) => this.#isSafe(ino, row))) {
      database.transaction(() => chunks.touchAll(ino, Date.now()))
      this.#kept += 1
      return 0
    }
    database.transaction(() => chunks.deleteFrom(ino, 0))
    shared.bumpChunks(ino)
    files.remove(ino)
    shared.bumpFile(ino)
    const bytes = rows.reduce((sum, row) => sum + row.length, 0)
    this.#count(rows.length, bytes)
    return bytes
  }

  #count(chunks: number, bytes: number): void {
    this.#parts.shared.add('usedBytes', -bytes)
    this.evictedChunks += chunks
    this.evictedBytes += bytes
  }
}

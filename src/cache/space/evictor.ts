/**
 * Frees the local disk: evicts the least recently used chunks that are durable, down to slightly
 * below the capacity, so that not every write has to evict. Runs on the main thread.
 *
 * Invariant: an eviction deletes the row first, then changes the generation, then removes the
 * bytes, so that readers notice it in time.
 */
import { statfsSync } from 'node:fs'
import { cacheLimits } from '../limits.ts'
import { CLEAN, type LocalChunk } from '../state/chunk-table.ts'
import type { NodeCache } from '../state/node-cache.ts'

export class Evictor {
  readonly #cache: NodeCache
  /** Number of files that were in use, and were marked as just used instead of evicted. */
  #kept = 0
  evictedChunks = 0
  evictedBytes = 0

  constructor(cache: NodeCache) {
    this.#cache = cache
  }

  /** Measures the free space of the disk, which other programs may fill too. */
  measure(): void {
    const { bavail, bsize } = statfsSync(this.#cache.settings.directory)
    this.#cache.shared.setCounter('freeBytes', bavail * bsize)
  }

  /** Whether there is room for this many more bytes. */
  hasRoom(bytes: number): boolean {
    const { shared, settings } = this.#cache
    return (
      shared.counter('usedBytes') + bytes <= settings.capacityBytes &&
      shared.counter('freeBytes') - bytes >= settings.freeFloorBytes
    )
  }

  /**
   * Whether so little of the cache can be evicted that a request could lose one chunk while it
   * waits for the next, or to another request, over and over.
   */
  isTight(): boolean {
    const { shared, settings } = this.#cache
    const free = shared.counter('freeBytes') - settings.freeFloorBytes
    const reach = Math.min(settings.capacityBytes, shared.counter('usedBytes') + free)
    const loose = reach - shared.counter('unsyncedBytes') - shared.counter('passedBytes')
    return loose < Math.min(reach / 2, cacheLimits.looseChunks * settings.chunkSize)
  }

  /** Evicts until there is room; false if nothing more can be evicted. */
  async makeRoom(bytes: number): Promise<boolean> {
    this.measure()
    if (this.hasRoom(bytes)) return true
    const { settings, shared } = this.#cache
    const wantsMore = (): boolean => {
      const used = shared.counter('usedBytes')
      // The disk may have less space than the capacity; eviction does not change that bound.
      const reach = used + shared.counter('freeBytes') - settings.freeFloorBytes
      return used + bytes > Math.min(settings.capacityBytes, reach) * cacheLimits.evictTo
    }
    const sinceMs = Date.now()
    while (wantsMore()) {
      if (!this.#evictBatch(wantsMore, sinceMs)) break
      this.measure()
      await new Promise(setImmediate)
    }
    return this.hasRoom(bytes)
  }

  /**
   * Evicts the oldest chunks while more room is needed. The youngest may have been fetched a moment
   * ago for an operation that is about to be resumed. False if none could be evicted, or all that
   * were not used since `sinceMs` were tried.
   */
  #evictBatch(wantsMore: () => boolean, sinceMs: number): boolean {
    const oldest = this.#cache.chunks.leastRecentlyUsed(cacheLimits.evictBatch)
    const keptBefore = this.#kept
    let evicted = 0
    for (const { ino, index } of oldest) {
      if (!wantsMore()) break
      const freed = this.evictChunk(ino, index)
      this.#cache.shared.add('freeBytes', freed)
      if (freed > 0) evicted += 1
    }
    const isOld = (oldest[0]?.accessed ?? sinceMs) < sinceMs
    return evicted > 0 || (isOld && this.#kept > keptBefore)
  }

  /** Evicts all evictable chunks of one inode; returns the bytes freed. */
  evictInode(ino: number): number {
    let bytes = 0
    for (let from = 0; ;) {
      const page = this.#cache.chunks.from(ino, from, cacheLimits.evictBatch)
      for (const { index } of page) bytes += this.evictChunk(ino, index)
      const last = page.at(-1)
      if (last === undefined) return bytes
      from = last.index + 1
    }
  }

  /** Returns the bytes freed; 0 if the chunk is not on this node or not durable. */
  evictChunk(ino: number, index: number): number {
    const { shared, database, chunks, uploads, files, settings } = this.#cache
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
    const durable = this.#cache.index.find(ino, index)
    return durable?.id === id && durable.durable
  }

  /**
   * Evicts a file that programs may have mapped as a whole, by unlinking it: existing mappings keep
   * it. A file that is in use, for example by passthrough, is kept.
   */
  #evictWhole(ino: number): number {
    const { shared, database, chunks, uploads, files } = this.#cache
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
    this.#cache.shared.add('usedBytes', -bytes)
    this.evictedChunks += chunks
    this.evictedBytes += bytes
  }
}

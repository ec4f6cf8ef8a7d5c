/**
 * Frees the local disk: takes away least recently used chunks that the cloud has, down to a little
 * below the capacity, so that not every write has to evict. A chunk's row goes first, then the
 * generation changes, then its bytes: readers notice in time. Runs on the main thread.
 */
import { statfsSync } from 'node:fs'
import { cacheLimits } from '../limits.ts'
import { CLEAN, type LocalChunk } from '../state/node-database.ts'
import type { NodeCache } from '../state/node-cache.ts'

export class Evictor {
  readonly #cache: NodeCache
  /** Files that were found in use, and are the youngest since. */
  #kept = 0
  evictedChunks = 0
  evictedBytes = 0

  constructor(cache: NodeCache) {
    this.#cache = cache
  }

  /** Looks at the disk itself: others may fill it too. */
  measure(): void {
    const { bavail, bsize } = statfsSync(this.#cache.settings.directory)
    this.#cache.shared.setCounter('freeBytes', bavail * bsize)
  }

  /** There is room for so many bytes more. */
  hasRoom(bytes: number): boolean {
    const { shared, settings } = this.#cache
    return (
      shared.counter('usedBytes') + bytes <= settings.capacityBytes &&
      shared.counter('freeBytes') - bytes >= settings.freeFloorBytes
    )
  }

  /**
   * So little of the cache can be evicted that a request would lose one chunk while it waits for
   * the next, or to another request, over and over.
   */
  isTight(): boolean {
    const { shared, settings } = this.#cache
    const free = shared.counter('freeBytes') - settings.freeFloorBytes
    const reach = Math.min(settings.capacityBytes, shared.counter('usedBytes') + free)
    const loose = reach - shared.counter('unsyncedBytes') - shared.counter('passedBytes')
    return loose < Math.min(reach / 2, cacheLimits.looseChunks * settings.chunkSize)
  }

  /** Evicts until there is room; false where nothing more can go. */
  async makeRoom(bytes: number): Promise<boolean> {
    this.measure()
    if (this.hasRoom(bytes)) return true
    const { settings, shared } = this.#cache
    const wantsMore = (): boolean => {
      const used = shared.counter('usedBytes')
      // What the disk allows may be less than the capacity; evicting does not change it.
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
   * Evicts the oldest chunks while there is reason to: the youngest may have been fetched a moment
   * ago for an operation that is about to be tried again. False where none of them could go, or
   * those that were not used since `sinceMs` have all been tried.
   */
  #evictBatch(wantsMore: () => boolean, sinceMs: number): boolean {
    const oldest = this.#cache.database.leastRecentlyUsed(cacheLimits.evictBatch)
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

  /** Evicts what can go of one inode; returns bytes freed. */
  evictInode(ino: number): number {
    let bytes = 0
    for (let from = 0; ;) {
      const page = this.#cache.database.chunksFrom(ino, from, cacheLimits.evictBatch)
      for (const { index } of page) bytes += this.evictChunk(ino, index)
      const last = page.at(-1)
      if (last === undefined) return bytes
      from = last.index + 1
    }
  }

  /** Bytes freed; 0 where the chunk is not here or not safe elsewhere. */
  evictChunk(ino: number, index: number): number {
    const { shared, database, files, settings } = this.#cache
    return shared.withInode(ino, () => {
      const row = database.chunk(ino, index)
      if (row === undefined || !this.#isSafe(ino, row)) return 0
      const isUsed = (shared.findOpen(ino)?.backing ?? 0) !== 0
      if (isUsed || files.isPassthrough(ino)) return this.#evictWhole(ino)
      database.transaction(() => {
        database.deleteChunk(ino, index)
      })
      shared.bumpChunks(ino)
      const isLast = database.chunksFrom(ino, 0, 1).length === 0
      const isWritten = shared.findOpen(ino)?.ahead === true || database.hasUploads(ino)
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

  /** The cloud has the same bytes. */
  #isSafe(ino: number, { state, index, id }: LocalChunk): boolean {
    if (state !== CLEAN) return false
    const durable = this.#cache.index.find(ino, index)
    return durable?.id === id && durable.durable
  }

  /**
   * A file that programs may have mapped goes as a whole, by its name: who has it mapped keeps it.
   * While the kernel reads it, it is in use, and stays.
   */
  #evictWhole(ino: number): number {
    const { shared, database, files } = this.#cache
    const rows = database.chunksFrom(ino, 0, Number.MAX_SAFE_INTEGER)
    const open = shared.findOpen(ino)
    const isUsed =
      open !== undefined &&
      (open.backing !== 0 || open.mapped || open.passthroughWrites || open.ahead)
    if (isUsed || database.hasUploads(ino) || !rows.every((row) => this.#isSafe(ino, row))) {
      database.transaction(() => database.touchChunks(ino, Date.now()))
      this.#kept += 1
      return 0
    }
    database.transaction(() => database.deleteChunksFrom(ino, 0))
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

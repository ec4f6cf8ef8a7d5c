/**
 * Frees the local disk: takes away least recently used chunks that the cloud has, down to a little
 * below the capacity, so that not every write has to evict. A chunk's row goes first, then the
 * generation changes, then its bytes: readers notice in time. Runs on the main thread.
 */
import { statfsSync } from 'node:fs'
import { limits } from '../limits.ts'
import { CLEAN } from './node-database.ts'
import type { NodeCache } from './node-cache.ts'

export class Evictor {
  readonly #cache: NodeCache
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
    const loose = reach - shared.counter('unsyncedBytes')
    return loose < Math.min(reach / 2, limits.looseChunks * settings.chunkSize)
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
      return used + bytes > Math.min(settings.capacityBytes, reach) * limits.evictTo
    }
    while (wantsMore()) {
      if (!this.#evictBatch(wantsMore)) break
      this.measure()
      await new Promise(setImmediate)
    }
    return this.hasRoom(bytes)
  }

  /**
   * Evicts the oldest chunks while there is reason to: the youngest may have been fetched a moment
   * ago for an operation that is about to be tried again. False where none of them could go.
   */
  #evictBatch(wantsMore: () => boolean): boolean {
    const oldest = this.#cache.database.leastRecentlyUsed(limits.evictBatch)
    let evicted = 0
    for (const { ino, index } of oldest) {
      if (!wantsMore()) break
      const freed = this.evictChunk(ino, index)
      this.#cache.shared.add('freeBytes', freed)
      if (freed > 0) evicted += 1
    }
    return evicted > 0
  }

  /** Evicts what can go of one inode; returns bytes freed. */
  evictInode(ino: number): number {
    let bytes = 0
    for (let from = 0; ;) {
      const page = this.#cache.database.chunksFrom(ino, from, limits.evictBatch)
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
      if (row?.state !== CLEAN) return 0
      const durable = this.#cache.index.find(ino, index)
      if (durable?.id !== row.id || !durable.durable) return 0
      database.transaction(() => {
        database.deleteChunk(ino, index)
      })
      shared.bumpChunks(ino)
      const isLast = database.chunksFrom(ino, 0, 1).length === 0
      const isWritten = shared.findOpen(ino)?.ahead === true || database.hasUploads(ino)
      if (isLast && !isWritten) {
        shared.bumpFile(ino)
        files.remove(ino)
      } else {
        files.punch(ino, index * settings.chunkSize, settings.chunkSize)
      }
      shared.add('usedBytes', -row.length)
      this.evictedChunks += 1
      this.evictedBytes += row.length
      return row.length
    })
  }
}

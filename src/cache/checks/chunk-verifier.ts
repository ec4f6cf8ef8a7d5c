/**
 * Checks chunks before the API sends their bytes. An intact chunk is not checked again for a while,
 * so that a file that is read in small ranges is not read whole for each of them. Main thread.
 */
import { LRUCache } from 'lru-cache'
import { cacheLimits } from '../limits.ts'
import { verifyChunk } from './chunk-checks.ts'
import { DIRTY } from '../state/chunk-table.ts'
import type { NodeCache } from '../state/node-cache.ts'

export class ChunkVerifier {
  readonly #cache: NodeCache
  /** Ids of contents that were found intact a short time ago. */
  readonly #intact = new LRUCache<number, true>({
    max: cacheLimits.intactChunks,
    ttl: cacheLimits.intactMs,
  })

  constructor(cache: NodeCache) {
    this.#cache = cache
  }

  /**
   * Checks the chunks of these bytes, and drops damaged ones. Chunks that are absent, dirty or
   * without a checksum are not checked.
   */
  require(ino: number, offset: number, length: number): void {
    const { chunkSize } = this.#cache.settings
    const last = Math.floor((offset + Math.max(1, length) - 1) / chunkSize)
    for (let at = Math.floor(offset / chunkSize); at <= last; at++) this.#check(ino, at)
  }

  #check(ino: number, index: number): void {
    const row = this.#cache.chunks.find(ino, index)
    if (row === undefined || row.state === DIRTY || row.id === 0) return
    if (this.#intact.has(row.id)) return
    if (verifyChunk(this.#cache, ino, index) === 'intact') this.#intact.set(row.id, true)
  }
}

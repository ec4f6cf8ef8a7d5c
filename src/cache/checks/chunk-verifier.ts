/**
 * Checks chunks before the API sends their bytes. An intact chunk is not checked again for a while,
 * so that a file that is read in small ranges is not read whole for each of them. Main thread.
 */
import { LRUCache } from 'lru-cache'
import { cacheLimits } from '../limits.ts'
import { DIRTY } from '../state/chunk-table.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { ChunkChecks } from './chunk-checks.ts'

export interface ChunkVerifierParts {
  settings: CacheSettings
  chunks: ChunkTable
  checks: ChunkChecks
}

export class ChunkVerifier {
  readonly #parts: ChunkVerifierParts
  /** Ids of contents that were found intact a short time ago. */
  readonly #intact = new LRUCache<number, true>({
    max: cacheLimits.intactChunks,
    ttl: cacheLimits.intactMs,
  })

  constructor(parts: ChunkVerifierParts) {
    this.#parts = parts
  }

  /**
   * Checks the chunks of these bytes, and drops damaged ones. Chunks that are absent, dirty or
   * without a checksum are not checked.
   */
  require(ino: number, offset: number, length: number): void {
    const { chunkSize } = this.#parts.settings
    const last = Math.floor((offset + Math.max(1, length) - 1) / chunkSize)
    for (let at = Math.floor(offset / chunkSize); at <= last; at++) this.#check(ino, at)
  }

  #check(ino: number, index: number): void {
    const row = this.#parts.chunks.find(ino, index)
    if (row === undefined || row.state === DIRTY || row.id === 0) return
    if (this.#intact.has(row.id)) return
    if (this.#parts.checks.verifyChunk(ino, index) === 'intact') this.#intact.set(row.id, true)
  }
}

/**
 * What one thread remembers of chunks, so that a read or write of a chunk in use asks no database.
 * Only two facts are kept, and only as long as the inode's generation stands: the chunk is present
 * (or a hole: nothing to fetch), and the chunk is dirty already.
 */
import { LRUCache } from 'lru-cache'
import { cacheLimits } from '../limits.ts'
import type { SharedState } from './shared-state.ts'

export interface RememberedInode {
  generation: number
  /** Since when, ms: looked up again from time to time, so that uses are noted. */
  sinceMs: number
  present: Set<number>
  dirty: Set<number>
  /** Size of the committed content; undefined until asked. */
  size: number | undefined
  /** Every chunk of the committed content is here. */
  whole: boolean
}

export class PresenceCache {
  readonly #shared: SharedState
  readonly #inodes = new LRUCache<number, RememberedInode>({ max: cacheLimits.rememberedInodes })

  constructor(shared: SharedState) {
    this.#shared = shared
  }

  /** What is known of the inode in its present generation. */
  of(ino: number): RememberedInode {
    const generation = this.#shared.chunkGeneration(ino)
    const known = this.#inodes.get(ino)
    const nowMs = Date.now()
    if (known?.generation === generation && this.#fits(known, nowMs)) return known
    const fresh = {
      generation,
      sinceMs: nowMs,
      present: new Set<number>(),
      dirty: new Set<number>(),
      size: undefined,
      whole: false,
    }
    this.#inodes.set(ino, fresh)
    return fresh
  }

  #fits(known: RememberedInode, nowMs: number): boolean {
    return (
      nowMs - known.sinceMs < cacheLimits.accessGranularityMs &&
      known.present.size < cacheLimits.rememberedChunks &&
      known.dirty.size < cacheLimits.rememberedChunks
    )
  }
}

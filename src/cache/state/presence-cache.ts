/**
 * Presence cache of one thread: a read or write of a chunk in use needs no database. It has the
 * chunks that are present (or holes, with nothing to fetch), the chunks that are already dirty, and
 * the committed size. An entry is valid while the chunk generation of its inode is unchanged, and
 * for a bounded time.
 */
import { LRUCache } from 'lru-cache'
import { cacheLimits } from '../limits.ts'
import type { SharedState } from './shared-state.ts'

export interface RememberedInode {
  generation: number
  /** Time of the lookup, ms. Entries expire, so that uses of chunks are recorded. */
  sinceMs: number
  present: Set<number>
  dirty: Set<number>
  /** Size of the committed content, bytes; undefined until looked up. */
  size: number | undefined
  /** Whether every chunk of the committed content is on this node. */
  whole: boolean
}

export class PresenceCache {
  readonly #shared: SharedState
  readonly #inodes = new LRUCache<number, RememberedInode>({ max: cacheLimits.rememberedInodes })

  constructor(shared: SharedState) {
    this.#shared = shared
  }

  /** Entry of the inode in its current generation. */
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

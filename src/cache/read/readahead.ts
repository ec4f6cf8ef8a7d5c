/**
 * Fetches chunks ahead of sequential readers. The window grows fourfold with each step in order,
 * and closes when the reader jumps. A reader is noticed when it misses a chunk, and when it first
 * uses one that was fetched ahead. Chunks within the bound of this node are fetched. Beyond that,
 * as many again for every other node are prepared by their owners, so that all nodes share one
 * prefetch window per file. Runs on the main thread.
 */
import { LRUCache } from 'lru-cache'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { baseLimits } from '../../base/limits.ts'
import { cacheLimits } from '../limits.ts'
import type { Fetcher } from './fetcher.ts'

interface Stream {
  /** Last position of the reader. */
  index: number
  /** Number of chunks to have ahead of the reader, on this node or at their owners. */
  window: number
  /** First chunk that was not fetched ahead yet. */
  next: number
  /** First chunk that no owner was requested to prepare yet. */
  nextPrepared: number
}

const GROWTH = 4

export class Readahead {
  readonly #fetcher: Fetcher
  readonly #logger: Logger
  readonly #streams = new LRUCache<number, Stream>({ max: cacheLimits.readaheadStreams })
  /** Chunks that are fetched ahead of one reader, at most. */
  readonly #largest: number

  constructor(fetcher: Fetcher, largest: number, logger: Logger) {
    this.#fetcher = fetcher
    this.#logger = logger
    this.#largest = largest
  }

  /**
   * Records that a reader of the inode is at chunk `index`, `offset` bytes into it. False: it
   * jumped there.
   */
  seen(ino: number, index: number, offset = 0): boolean {
    const stream = this.#follow(ino, index, offset)
    const { window } = stream
    if (window === 0) return false
    const last = index + Math.min(window, this.#largest)
    for (let at = stream.next; at <= last; at++) this.fetch(ino, at)
    stream.next = Math.max(stream.next, last + 1)
    const lastPrepared = index + window
    for (let at = Math.max(stream.next, stream.nextPrepared); at <= lastPrepared; at++) {
      this.#fetcher.prepare(ino, at)
    }
    stream.nextPrepared = Math.max(stream.nextPrepared, lastPrepared + 1)
    return true
  }

  #follow(ino: number, index: number, offset: number): Stream {
    const known = this.#streams.get(ino)
    if (known !== undefined && index === known.index) return this.#keep(ino, known)
    // A reader that comes from the previous chunk is at most one request into this one.
    const isNear = offset < baseLimits.fuseRequestBytes
    const isNext = isNear && known !== undefined && index > known.index && index <= known.next
    const starts = isNear && index === 0
    const window = isNext ? Math.max(1, known.window * GROWTH) : starts ? 1 : 0
    const { next, nextPrepared } = isNext ? known : { next: 0, nextPrepared: 0 }
    return this.#keep(ino, {
      index,
      window: Math.min(window, this.#largest * this.#fetcher.nodes),
      next: Math.max(next, index + 1),
      nextPrepared,
    })
  }

  #keep(ino: number, stream: Stream): Stream {
    this.#streams.set(ino, stream)
    return stream
  }

  /** Fetches a chunk that nobody waits for. */
  fetch(ino: number, index: number): void {
    this.#fetcher.fetchChunk(ino, index, true).catch((error: unknown) => {
      this.#logger.debug(`readahead of chunk ${index} of inode ${ino}: ${describe(error)}`)
    })
  }
}

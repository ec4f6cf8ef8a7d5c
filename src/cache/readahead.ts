/**
 * Fetches chunks before a sequential reader asks: a window that doubles with every step the reader
 * takes in order, and closes when it jumps. A reader is seen when it misses a chunk, and when it
 * first uses one that was fetched ahead. Runs on the main thread.
 */
import { describe } from '../base/fs-error.ts'
import type { Logger } from '../base/logger.ts'
import { limits } from '../limits.ts'
import type { Fetcher } from './fetcher.ts'

interface Stream {
  /** Where the reader was last. */
  index: number
  /** Chunks to keep ahead of it. */
  window: number
  /** Ahead of here nothing was asked for yet. */
  next: number
}

export class Readahead {
  readonly #fetcher: Fetcher
  readonly #logger: Logger
  readonly #streams = new Map<number, Stream>()
  /** Most chunks ahead of one reader. */
  readonly #largest: number

  constructor(fetcher: Fetcher, largest: number, logger: Logger) {
    this.#fetcher = fetcher
    this.#logger = logger
    this.#largest = largest
  }

  /** The reader of an inode is at `index`. */
  seen(ino: number, index: number): void {
    const stream = this.#follow(ino, index)
    if (stream.window === 0) return
    const last = index + stream.window
    for (let at = Math.max(stream.next, index + 1); at <= last; at++) this.#ahead(ino, at)
    stream.next = Math.max(stream.next, last + 1)
  }

  #follow(ino: number, index: number): Stream {
    const known = this.#streams.get(ino)
    this.#streams.delete(ino)
    const isNext = known !== undefined && index > known.index && index <= known.next
    const starts = known === undefined && index === 0
    const window = isNext
      ? Math.min(this.#largest, Math.max(1, known.window * 2))
      : starts
        ? Math.min(1, this.#largest)
        : 0
    const next = isNext ? known.next : index + 1
    const stream = { index, window, next: Math.max(next, index + 1) }
    if (known !== undefined && index === known.index) return this.#keep(ino, known)
    return this.#keep(ino, stream)
  }

  #keep(ino: number, stream: Stream): Stream {
    if (this.#streams.size >= limits.readaheadStreams) {
      const oldest = this.#streams.keys().next()
      if (oldest.done !== true) this.#streams.delete(oldest.value)
    }
    this.#streams.set(ino, stream)
    return stream
  }

  #ahead(ino: number, index: number): void {
    this.#fetcher.fetchChunk(ino, index, true).catch((error: unknown) => {
      this.#logger.debug(`readahead of chunk ${index} of inode ${ino}: ${describe(error)}`)
    })
  }
}

/**
 * Gives the space of removed and replaced backing files back: a file has its blocks until the last
 * descriptor of it is closed, and each thread keeps descriptors of the files that it used last.
 *
 * Invariant: a removed file has no descriptor in any thread after two looks, unless the kernel or
 * a program has it open. However many are removed, a thread looks through its descriptors once.
 * Main thread.
 */
import { cacheLimits } from '../limits.ts'
import type { NodeCache } from '../state/node-cache.ts'

export class RemovedFiles {
  readonly #cache: NodeCache
  readonly #wakeThreads: () => Promise<void>
  #seen: number
  readonly #timer: NodeJS.Timeout
  #waking: Promise<void> | undefined

  /** `wakeThreads`: every thread that serves the mount is given something to do. */
  constructor(cache: NodeCache, wakeThreads: () => Promise<void>) {
    this.#cache = cache
    this.#wakeThreads = wakeThreads
    this.#seen = cache.shared.fileChanges
    this.#timer = setInterval(() => this.#look(), cacheLimits.removedFilesMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const { shared, files } = this.#cache
    if (this.#waking || shared.fileChanges === this.#seen) return
    this.#seen = shared.fileChanges
    shared.beginFileEpoch()
    files.closeVoid()
    this.#waking = this.#wakeThreads()
      // A mount that ends: its threads end with it.
      .catch(() => undefined)
      .finally(() => {
        this.#waking = undefined
      })
  }
}

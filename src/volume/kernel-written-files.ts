/**
 * Looks after files that the kernel writes by itself (cache/kernel-writes.ts), from time to time
 * and at the end: what they have grown by is accounted for, and those that stay open and are synced
 * now and then, such as logs, are committed meanwhile. Main thread.
 */
import type { FileCommitter } from '../cache/file-committer.ts'
import { measure } from '../cache/kernel-writes.ts'
import type { NodeCache } from '../cache/node-cache.ts'
import type { OpenInode } from '../cache/open-inode.ts'
import { limits } from '../limits.ts'

export class KernelWrittenFiles {
  readonly #cache: NodeCache
  readonly #committer: FileCommitter
  readonly #onFailure: (error: unknown) => void
  /** When each may be looked through again, ms, monotonic clock. */
  #due = new Map<number, number>()

  constructor(cache: NodeCache, committer: FileCommitter, onFailure: (error: unknown) => void) {
    this.#cache = cache
    this.#committer = committer
    this.#onFailure = onFailure
  }

  look(): void {
    const due = new Map<number, number>()
    for (const ino of this.#cache.shared.kernelWritten()) {
      due.set(ino, this.#look(ino, this.#due.get(ino) ?? 0))
    }
    this.#due = due
  }

  /** When it may be looked through next. */
  #look(ino: number, dueMs: number): number {
    const { shared } = this.#cache
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open === undefined) return 0
      measure(this.#cache, ino, open)
      const sinceMs = performance.now()
      if (sinceMs < dueMs || !this.#isWanted(ino, open)) return dueMs
      this.#commit(ino, open)
      const untilMs = performance.now()
      return untilMs + (untilMs - sinceMs) / limits.kernelWriteLookShare
    })
  }

  /** What waits for its upload would only be replaced. */
  #isWanted(ino: number, open: OpenInode): boolean {
    if (!open.kernelWrites || !open.dirty || !open.synced) return false
    return open.size <= limits.kernelWriteLookBytes && !this.#cache.database.hasUploads(ino)
  }

  /** The mount has ended: what programs that have one open still write is of no file. */
  cutOff(): void {
    const { shared, files } = this.#cache
    for (const ino of shared.kernelWritten()) {
      shared.withInode(ino, () => {
        const open = shared.findOpen(ino)
        if (open?.kernelWrites !== true) return
        if (files.hasWriters(ino)) {
          files.replaceByCopy(ino)
          shared.bumpFile(ino)
        }
        open.backing = 0
        this.#commit(ino, open)
      })
    }
  }

  /** What fails is tried again, and others do not wait for it. */
  #commit(ino: number, open: OpenInode): void {
    try {
      this.#committer.commitLocked(ino, open)
    } catch (error) {
      this.#onFailure(error)
    }
  }
}

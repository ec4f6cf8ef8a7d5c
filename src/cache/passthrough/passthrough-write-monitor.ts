/**
 * Looks after files that the kernel writes by itself (cache/passthrough/passthrough-writes.ts),
 * from time to time and at the end: what they have grown by is accounted for, and those that stay
 * open and are synced now and then, such as logs, are committed meanwhile. So are those that
 * programs write which have outlived the mount, until their last writer is gone. Main thread.
 */
import type { FileCommitter } from '../write/file-committer.ts'
import {
  endPassthroughWrites,
  measure,
  recordPassthroughWrites,
  outliveMount,
} from './passthrough-writes.ts'
import type { NodeCache } from '../state/node-cache.ts'
import type { OpenInode } from '../state/open-inode.ts'
import { cacheLimits } from '../limits.ts'

export class PassthroughWriteMonitor {
  readonly #cache: NodeCache
  readonly #committer: FileCommitter
  readonly #onChange: (ino: number) => void
  readonly #onFailure: (error: unknown) => void
  /** When each may be looked through again, ms, monotonic clock. */
  #due = new Map<number, number>()

  /** `onChange`: told of files that programs change by other ways than through the mount. */
  constructor(
    cache: NodeCache,
    committer: FileCommitter,
    told: { onChange: (ino: number) => void; onFailure: (error: unknown) => void },
  ) {
    this.#cache = cache
    this.#committer = committer
    this.#onChange = told.onChange
    this.#onFailure = told.onFailure
  }

  look(): void {
    const due = new Map<number, number>()
    for (const ino of this.#cache.shared.passthroughWritten()) {
      if (this.#hasChanged(ino)) this.#onChange(ino)
      due.set(ino, this.#look(ino, this.#due.get(ino) ?? 0))
    }
    this.#due = due
  }

  /** By programs that have outlived their mount; what they wrote so far counts from here on. */
  #hasChanged(ino: number): boolean {
    return this.#cache.shared.withInode(ino, () => {
      const open = this.#cache.shared.findOpen(ino)
      if (open?.outlived !== true) return false
      const { seenMs, size } = open
      measure(this.#cache, ino, open)
      return open.seenMs !== seenMs || open.size !== size
    })
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
      const isOver = open.outlived && !this.#hasWriters(ino)
      this.#commit(ino, open)
      if (isOver) this.#endOutlived(ino, open)
      const untilMs = performance.now()
      return untilMs + (untilMs - sinceMs) / cacheLimits.passthroughWriteLookShare
    })
  }

  /** What waits for its upload would only be replaced. */
  #isWanted(ino: number, open: OpenInode): boolean {
    if (!open.passthroughWrites) return false
    if (open.outlived) return !this.#cache.database.hasUploads(ino)
    if (!open.dirty || !open.synced) return false
    return (
      open.size <= cacheLimits.passthroughWriteLookBytes && !this.#cache.database.hasUploads(ino)
    )
  }

  /** The mount has ended: what programs have written so far is committed; some may go on. */
  mountEnded(): void {
    const { shared } = this.#cache
    for (const ino of shared.passthroughWritten()) {
      shared.withInode(ino, () => {
        const open = shared.findOpen(ino)
        if (open?.passthroughWrites !== true) return
        // Asked first: what the last of them writes before it ends is committed below.
        const isOutlived = !open.unlinked && this.#hasWriters(ino)
        open.backing = 0
        this.#commit(ino, open)
        if (isOutlived) outliveMount(this.#cache, ino, open)
      })
    }
  }

  /** Threads that have read it may have it open as well: they let go of it, for the next look. */
  #hasWriters(ino: number): boolean {
    const { shared, files } = this.#cache
    shared.bumpFile(ino)
    shared.beginFileEpoch()
    return files.hasWriters(ino)
  }

  /** The last of them is gone, and what it has written is committed. */
  #endOutlived(ino: number, open: OpenInode): void {
    if (open.dirty || open.committing) return
    endPassthroughWrites(this.#cache, ino, open)
    if (open.opens === 0) this.#cache.shared.removeOpen(ino)
  }

  /** What fails is tried again, and others do not wait for it. */
  #commit(ino: number, open: OpenInode): void {
    try {
      this.#committer.commitLocked(ino, open)
      if (open.outlived) recordPassthroughWrites(this.#cache, ino, open)
    } catch (error) {
      this.#onFailure(error)
    }
  }
}

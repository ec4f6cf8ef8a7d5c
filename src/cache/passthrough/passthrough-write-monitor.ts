/**
 * Examines files with passthrough writes (cache/passthrough/passthrough-writes.ts), at intervals
 * and at the end: accounts for their growth, and commits files that stay open and are synced now
 * and then, such as logs. It does the same for files of programs that have outlived the mount,
 * until their last writer is gone. Main thread.
 */
import type { FileCommitter } from '../write/file-committer.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { PassthroughWrites } from './passthrough-writes.ts'
import type { OpenInode } from '../state/open-inode.ts'
import { cacheLimits } from '../limits.ts'

export interface PassthroughWriteMonitorParts {
  shared: SharedState
  uploads: UploadJournal
  files: BackingFiles
  passthroughWrites: PassthroughWrites
}

export class PassthroughWriteMonitor {
  readonly #parts: PassthroughWriteMonitorParts
  readonly #committer: FileCommitter
  readonly #onChange: (ino: number) => void
  readonly #onFailure: (error: unknown) => void
  /** Earliest time of the next examination of each inode, ms on the monotonic clock. */
  #due = new Map<number, number>()

  /** `onChange`: called for files that programs change without the mount. */
  constructor(
    parts: PassthroughWriteMonitorParts,
    committer: FileCommitter,
    told: { onChange: (ino: number) => void; onFailure: (error: unknown) => void },
  ) {
    this.#parts = parts
    this.#committer = committer
    this.#onChange = told.onChange
    this.#onFailure = told.onFailure
  }

  look(): void {
    const due = new Map<number, number>()
    for (const ino of this.#parts.shared.passthroughWritten()) {
      if (this.#hasChanged(ino)) this.#onChange(ino)
      due.set(ino, this.#look(ino, this.#due.get(ino) ?? 0))
    }
    this.#due = due
  }

  /**
   * Whether programs that outlived the mount have changed the file; what they wrote is now counted.
   */
  #hasChanged(ino: number): boolean {
    return this.#parts.shared.withInode(ino, () => {
      const open = this.#parts.shared.findOpen(ino)
      if (open?.outlived !== true) return false
      const { seenMs, size } = open
      this.#parts.passthroughWrites.measure(ino, open)
      return open.seenMs !== seenMs || open.size !== size
    })
  }

  /** Returns the earliest time of the next examination. */
  #look(ino: number, dueMs: number): number {
    const { shared } = this.#parts
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open === undefined) return 0
      this.#parts.passthroughWrites.measure(ino, open)
      const sinceMs = performance.now()
      if (sinceMs < dueMs || !this.#isWanted(ino, open)) return dueMs
      const isOver = open.outlived && !this.#hasWriters(ino)
      this.#commit(ino, open)
      if (isOver) this.#endOutlived(ino, open)
      const untilMs = performance.now()
      return untilMs + (untilMs - sinceMs) / cacheLimits.passthroughWriteLookShare
    })
  }

  /** Whether to commit it now. While it has pending chunks, a commit would only replace them. */
  #isWanted(ino: number, open: OpenInode): boolean {
    if (!open.passthroughWrites) return false
    if (open.outlived) return !this.#parts.uploads.has(ino)
    if (!open.dirty || !open.synced) return false
    return open.size <= cacheLimits.passthroughWriteLookBytes && !this.#parts.uploads.has(ino)
  }

  /** Call when the mount has ended: commits what was written so far. Some programs may continue. */
  mountEnded(): void {
    const { shared } = this.#parts
    for (const ino of shared.passthroughWritten()) {
      shared.withInode(ino, () => {
        const open = shared.findOpen(ino)
        if (open?.passthroughWrites !== true) return
        // Checked first: the last writes of a program that ends now are committed below.
        const isOutlived = !open.unlinked && this.#hasWriters(ino)
        open.backing = 0
        this.#commit(ino, open)
        if (isOutlived) this.#parts.passthroughWrites.outlive(ino, open)
      })
    }
  }

  /**
   * Whether programs have the file open for writing. Threads that have read it may have it open as
   * well; they close it before the next examination.
   */
  #hasWriters(ino: number): boolean {
    const { shared, files } = this.#parts
    shared.bumpFile(ino)
    shared.beginFileEpoch()
    return files.hasWriters(ino)
  }

  /** The last writer is gone, and its writes are committed. */
  #endOutlived(ino: number, open: OpenInode): void {
    if (open.dirty || open.committing) return
    this.#parts.passthroughWrites.end(ino, open)
    if (open.opens === 0) this.#parts.shared.removeOpen(ino)
  }

  /** Failed commits are retried, and do not delay other files. */
  #commit(ino: number, open: OpenInode): void {
    try {
      this.#committer.commitLocked(ino, open)
      if (open.outlived) this.#parts.passthroughWrites.record(ino, open)
    } catch (error) {
      this.#onFailure(error)
    }
  }
}

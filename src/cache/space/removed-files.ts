/**
 * Frees the space of removed and replaced backing files. The file system keeps the blocks of a file
 * until its last descriptor is closed, and each thread caches descriptors of recently used files.
 *
 * Invariant: after two looks no thread has a descriptor of a removed file, unless the kernel or a
 * program has it open. A thread checks its descriptors once per look, however many files were
 * removed. Main thread.
 */
import { cacheLimits } from '../limits.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'

export interface RemovedFilesParts {
  shared: SharedState
  files: BackingFiles
}

export class RemovedFiles {
  readonly #parts: RemovedFilesParts
  readonly #wakeThreads: () => Promise<void>
  #seen: number
  readonly #timer: NodeJS.Timeout
  #waking: Promise<void> | undefined

  /** `wakeThreads`: wakes every thread that serves the mount. */
  constructor(parts: RemovedFilesParts, wakeThreads: () => Promise<void>) {
    this.#parts = parts
    this.#wakeThreads = wakeThreads
    this.#seen = parts.shared.fileChanges
    this.#timer = setInterval(() => this.#look(), cacheLimits.removedFilesMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const { shared, files } = this.#parts
    if (this.#waking || shared.fileChanges === this.#seen) return
    this.#seen = shared.fileChanges
    shared.beginFileEpoch()
    files.closeVoid()
    this.#waking = this.#wakeThreads()
      // The threads of a mount that ends exit with it.
      .catch(() => undefined)
      .finally(() => {
        this.#waking = undefined
      })
  }
}

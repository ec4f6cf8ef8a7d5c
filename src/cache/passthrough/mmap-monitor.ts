/**
 * Looks after files that programs may write to by way of memory (cache/passthrough/mmap-writes.ts),
 * from time to time and at the end, and commits what it finds. Main thread.
 */
import type { MmapWrites } from './mmap-writes.ts'
import { Suspended } from '../../base/suspended.ts'

export interface MmapMonitorParts {
  mapped: MmapWrites
  /** Brings about what an operation waits for. */
  resolveWait: (condition: unknown, how: { signal?: AbortSignal }) => Promise<unknown>
  commit: (ino: number) => Promise<void>
  /** Every thread that serves the mount is given something to do: it lets go of void files. */
  wakeThreads: () => Promise<void>
}

export class MmapMonitor {
  readonly #parts: MmapMonitorParts
  #looking: Promise<void> | undefined

  constructor(parts: MmapMonitorParts) {
    this.#parts = parts
  }

  /** Commits what was written, and ends what has ended; one look at a time. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(): Promise<void> {
    const { mapped, wakeThreads } = this.#parts
    const inodes = mapped.inodes()
    for (const ino of inodes) {
      await this.absorb(ino)
      await this.#parts.commit(ino)
    }
    if (inodes.length === 0) return
    mapped.releaseFiles()
    await wakeThreads()
    for (const ino of inodes) mapped.settle(ino)
  }

  /** What was written so far counts as written. */
  async absorb(ino: number, signal?: AbortSignal): Promise<void> {
    await this.#run(() => this.#parts.mapped.absorb(ino), signal)
  }

  async mountEnded(signal: AbortSignal): Promise<void> {
    const { mapped } = this.#parts
    for (const ino of mapped.inodes()) await this.#run(() => mapped.mountEnded(ino), signal)
  }

  async #run(operation: () => void, signal?: AbortSignal): Promise<void> {
    for (;;) {
      try {
        operation()
        return
      } catch (error) {
        if (!(error instanceof Suspended)) throw error
        await this.#parts.resolveWait(error.condition, signal ? { signal } : {})
      }
    }
  }
}

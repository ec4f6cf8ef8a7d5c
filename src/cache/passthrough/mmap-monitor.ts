/**
 * Examines files with mmap writes (cache/passthrough/mmap-writes.ts), at intervals and at the end
 * of the mount, and commits the changes that it finds. Main thread.
 */
import type { MmapWrites } from './mmap-writes.ts'
import { Suspended } from '../../base/suspended.ts'

export interface MmapMonitorParts {
  mapped: MmapWrites
  /** Resolves a wait condition. */
  resolveWait: (condition: unknown, how: { signal?: AbortSignal }) => Promise<unknown>
  commit: (ino: number) => Promise<void>
  /** Wakes every thread that serves the mount, so that it closes descriptors of removed files. */
  wakeThreads: () => Promise<void>
}

export class MmapMonitor {
  readonly #parts: MmapMonitorParts
  #looking: Promise<void> | undefined

  constructor(parts: MmapMonitorParts) {
    this.#parts = parts
  }

  /**
   * Commits changes, and ends the tracking of files without writers. Concurrent calls share one
   * run.
   */
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

  /** Marks chunks with mmap writes dirty. */
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

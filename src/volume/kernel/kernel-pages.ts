/**
 * Invalidates the kernel's page cache of the mount: drops the pages of a file whose content was
 * changed by other ways than through these pages. Until they are dropped, the file's attributes are
 * withheld from the kernel (LiveAttributes), because a page that ended at the old end of the file
 * shows zeros as soon as the kernel gets a larger size. Main thread.
 *
 * Invariant: while a drop of an inode's pages is wanted and not done, cache/read/page-drops.ts has
 * it as pending.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import type { SharedState } from '../../cache/state/shared-state.ts'
import { cacheLimits } from '../../cache/limits.ts'
import { volumeLimits } from '../limits.ts'

/** Notifications to the kernel about what it has cached of a mount. */
export interface KernelCaches {
  /** Whether the kernel has the inode in memory; drops its attributes. */
  knowsInode(ino: number): boolean
  /** Drops the attributes of an inode, without waiting. */
  forgetAttributes(ino: number): void
  /** Also drops its pages; waits until they are not in use. `length` 0: to the end of the file. */
  invalidateInode(ino: number, offset: number, length: number): Promise<void>
  /** Drops a directory entry; waits until no operation holds the directory's lock. */
  invalidateEntry(parent: number, name: Uint8Array): Promise<void>
}

export interface PageRange {
  /** Bytes. */
  offset: number
  /** Bytes; 0: to the end of the file. */
  length: number
}

const WHOLE_FILE: PageRange = { offset: 0, length: 0 }

export class KernelPages {
  readonly #shared: SharedState
  readonly #failures: RepeatedLog
  #caches: KernelCaches | undefined
  /** Drops in progress, by inode. */
  readonly #drops = new Map<number, Set<Promise<void>>>()
  /** Inodes whose pages are to be dropped once there is a mount. */
  readonly #postponed = new Set<number>()

  constructor(shared: SharedState, logger: Logger) {
    this.#shared = shared
    this.#failures = new RepeatedLog(logger)
  }

  /** Undefined: nothing is mounted, or the notifier is not connected yet. */
  get caches(): KernelCaches | undefined {
    return this.#caches
  }

  /** Connects the kernel, and sends it the drops that were postponed. */
  set caches(caches: KernelCaches | undefined) {
    this.#caches = caches
    if (!caches) return
    for (const ino of this.#postponed) void this.#begin(ino, caches, WHOLE_FILE)
    this.#postponed.clear()
  }

  /**
   * Call before the content of a file changes: withholds its attributes from the kernel until the
   * pages are dropped. `drop` must follow.
   */
  expect(ino: number): void {
    this.#shared.pageDrops.expect(ino)
  }

  /** Call after the content of a file has changed without `expect`. */
  invalidate(ino: number): void {
    this.expect(ino)
    this.#caches?.forgetAttributes(ino)
    this.drop(ino)
  }

  /**
   * Call after `expect`. Not awaited: a page in use may be waiting for what this thread does next.
   */
  drop(ino: number): void {
    this.#shared.noteInvalidated(ino)
    if (this.#caches) {
      void this.#begin(ino, this.#caches, WHOLE_FILE)
    } else if (this.#postponed.has(ino)) {
      this.#shared.pageDrops.done(ino)
    } else {
      this.#postponed.add(ino)
    }
  }

  /**
   * As `drop`, for pages that a write bypassed, or that were filled before the write had its lease.
   * Resolves when they are dropped, or after a bound. `isLocked`: the kernel may hold the lock of
   * the last page until the write is answered; nobody can have read that page then, and the others
   * are dropped within the shorter bound.
   */
  async dropWritten(ino: number, range: PageRange, isLocked: boolean): Promise<void> {
    if (!this.#caches) {
      this.#shared.pageDrops.done(ino)
      return
    }
    const gone = this.#begin(ino, this.#caches, range)
    await within(gone, isLocked ? volumeLimits.kernelPagesMs : volumeLimits.kernelNotifyMs)
  }

  /** Resolves when no drop is pending for an inode, or after `kernelNotifyMs`. */
  async settled(ino: number): Promise<void> {
    const untilMs = performance.now() + volumeLimits.kernelNotifyMs
    while (this.#shared.pageDrops.isAwaited(ino) && performance.now() < untilMs) {
      const drops = this.#drops.get(ino)
      // No drop started yet: a worker has requested one, and the request is on its way here.
      if (drops) await within(Promise.all(drops), untilMs - performance.now())
      else await delay(cacheLimits.pageDropLookMs)
    }
  }

  #begin(ino: number, caches: KernelCaches, range: PageRange): Promise<void> {
    const drops = this.#drops.get(ino) ?? new Set()
    this.#drops.set(ino, drops)
    const done = this.#tell(ino, caches, range).finally(() => {
      drops.delete(done)
      if (drops.size === 0 && this.#drops.get(ino) === drops) this.#drops.delete(ino)
    })
    drops.add(done)
    return done
  }

  /** Never rejects. */
  async #tell(ino: number, caches: KernelCaches, { offset, length }: PageRange): Promise<void> {
    try {
      await caches.invalidateInode(ino, offset, length)
      this.#shared.pageDrops.done(ino)
    } catch (error) {
      this.#shared.pageDrops.failed(ino)
      this.#failures.warn('pages', `pages of inode ${ino}: ${describe(error)}`)
    }
  }
}

async function within(work: Promise<unknown>, boundMs: number): Promise<void> {
  const abort = new AbortController()
  const late = delay(boundMs, undefined, { ref: false, signal: abort.signal }).catch(
    () => undefined,
  )
  await Promise.race([work, late])
  abort.abort()
}

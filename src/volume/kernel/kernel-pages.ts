/**
 * The kernel's page cache of the mount, as far as it has to be told: pages of a file whose content
 * changed by other ways than through them are dropped. Until they are gone the file's attributes
 * are not given to the kernel (LiveAttributes): a page that ends where the file ended shows zeros
 * as soon as the kernel knows that the file is longer. Main thread.
 *
 * Invariant: while a drop of an inode's pages is wanted and not done, cache/read/page-drops.ts says
 * so.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import type { SharedState } from '../../cache/state/shared-state.ts'
import { cacheLimits } from '../../cache/limits.ts'
import { volumeLimits } from '../limits.ts'

/** What the kernel has cached of a mount. */
export interface KernelCaches {
  /** Whether it has an inode in memory; drops its attributes. */
  knowsInode(ino: number): boolean
  /** Drops the attributes of an inode, at once. */
  forgetAttributes(ino: number): void
  /** And its pages, when whoever works on them lets go; `length` 0: to the end. */
  invalidateInode(ino: number, offset: number, length: number): Promise<void>
  /** And a name, when who works in its directory lets go of that. */
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
  /** Drops under way, by inode. */
  readonly #drops = new Map<number, Set<Promise<void>>>()
  /** Inodes whose pages are to be dropped once there is a mount. */
  readonly #postponed = new Set<number>()

  constructor(shared: SharedState, logger: Logger) {
    this.#shared = shared
    this.#failures = new RepeatedLog(logger)
  }

  /** Undefined: nothing is mounted, or nobody can tell its kernel yet. */
  get caches(): KernelCaches | undefined {
    return this.#caches
  }

  /** From here on the kernel is told, also of what it missed. */
  set caches(caches: KernelCaches | undefined) {
    this.#caches = caches
    if (!caches) return
    for (const ino of this.#postponed) void this.#begin(ino, caches, WHOLE_FILE)
    this.#postponed.clear()
  }

  /**
   * The content of a file is about to change: its attributes are withheld from the kernel until the
   * pages are gone, which `drop` sees to afterwards.
   */
  expect(ino: number): void {
    this.#shared.pageDrops.expect(ino)
  }

  /** The content of a file has changed. */
  invalidate(ino: number): void {
    this.expect(ino)
    this.#caches?.forgetAttributes(ino)
    this.drop(ino)
  }

  /** After `expect`: not waited for, since who works on a page may wait for what comes next. */
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
   * As `drop`, of pages that a write has bypassed, or filled before its lease was here; resolves
   * when they are gone, or after a bound. `isLocked`: the last of them may be locked until the
   * write is answered: then nobody has read that one, and the others have gone by then.
   */
  async dropWritten(ino: number, range: PageRange, isLocked: boolean): Promise<void> {
    if (!this.#caches) {
      this.#shared.pageDrops.done(ino)
      return
    }
    const gone = this.#begin(ino, this.#caches, range)
    await within(gone, isLocked ? volumeLimits.kernelPagesMs : volumeLimits.kernelNotifyMs)
  }

  /** Resolves when no drop is wanted for an inode, or after a bound. */
  async settled(ino: number): Promise<void> {
    const untilMs = performance.now() + volumeLimits.kernelNotifyMs
    while (this.#shared.pageDrops.isAwaited(ino) && performance.now() < untilMs) {
      const drops = this.#drops.get(ino)
      // One that a worker wants is on its way here.
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

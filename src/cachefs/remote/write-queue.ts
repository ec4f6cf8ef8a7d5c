/**
 * Queue of changes for the remote. Changes with the same path, or with a path and one of its parent
 * directories, run in the order in which they were added; all others run in parallel.
 *
 * Invariants: a change waits for all earlier ones whose paths overlap with its own and for no
 * others, so there are no cycles. Every change ends by success, by being superseded, or by a
 * failure that its runner calls final. Other failures are retried with backoff without limit: after
 * `attempts` attempts the change counts as stalled, and `settled` no longer waits for it.
 */
import { abortError } from '../../base/async/abort.ts'
import { backoffMs, pause } from '../../base/async/retry.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import type { AcquireOptions } from '../../base/async/semaphore.ts'
import { cachefsLimits } from '../limits.ts'
import { parentOf } from '../../filesystem/file-path.ts'
import type { Change } from '../journal/change.ts'

/** 'retry': failed, retry soon; 'stalled': failed, and unlikely to succeed soon. */
export type Verdict = 'done' | 'retry' | 'stalled'

export interface QueueOptions {
  concurrency: number
  attempts: number
  retryBaseMs: number
  retryMaxMs: number
  /** Applies the change; reports a failure itself. */
  run: (change: Change, attempt: number, signal: AbortSignal) => Promise<Verdict>
}

interface Item {
  change: Change
  paths: string[]
  hasBegun: boolean
  /** Its content changed again since the attempt began. */
  isRenewed: boolean
  /** Earlier items that it waits for. */
  blockers: Set<Item>
  /** Later items that wait for it. */
  blocked: Set<Item>
  finished: PromiseWithResolvers<void>
}

export class WriteQueue {
  readonly #options: QueueOptions
  readonly #permits: Semaphore
  readonly #stop = new AbortController()
  readonly #items = new Map<Change, Item>()
  readonly #stalled = new Set<Item>()
  /** Items by each path that they name, and by each parent of such a path. */
  readonly #at = new Map<string, Set<Item>>()
  readonly #below = new Map<string, Set<Item>>()
  #watchers: (() => void)[] = []
  readonly #wakers = new Set<() => void>()

  constructor(options: QueueOptions) {
    this.#options = options
    this.#permits = new Semaphore(options.concurrency)
  }

  get size(): number {
    return this.#items.size
  }

  get stalled(): Change[] {
    return [...this.#stalled].map((it) => it.change)
  }

  get changes(): Change[] {
    return [...this.#items.keys()]
  }

  /** Waits while too many changes are pending. */
  async room({ signal }: AcquireOptions = {}): Promise<void> {
    while (this.#items.size >= cachefsLimits.cachePendingChanges) await this.#change(signal)
  }

  add(change: Change): void {
    const paths = change.kind === 'rename' ? [change.path, change.to] : [change.path]
    const finished = Promise.withResolvers<void>()
    const item: Item = {
      change,
      paths,
      hasBegun: false,
      isRenewed: false,
      blockers: new Set(),
      blocked: new Set(),
      finished,
    }
    for (const other of this.#overlapping(paths)) {
      item.blockers.add(other)
      other.blocked.add(item)
      if (other.hasBegun && other.change.entry === change.entry) this.#renew(other)
    }
    this.#items.set(change, item)
    for (const path of paths) {
      insert(this.#at, path, item)
      for (let at = path; at !== '/';) insert(this.#below, (at = parentOf(at)), item)
    }
    if (item.blockers.size === 0) void this.#work(item)
  }

  /** The content to send has changed: retries it if it has stalled. */
  #renew(item: Item): void {
    item.isRenewed = true
    if (this.#stalled.has(item)) this.retryNow()
  }

  /** The last change that names the path, if it has not begun and no other waits for it. */
  last(path: string): Change | undefined {
    const item = [...(this.#at.get(path) ?? [])].at(-1)
    return item?.hasBegun === false && item.blocked.size === 0 ? item.change : undefined
  }

  /** Whether a change names the path. */
  has(path: string): boolean {
    return this.#at.has(path)
  }

  /** Drops a change; those that wait for it continue. */
  drop(change: Change): void {
    const item = this.#items.get(change)
    if (item?.hasBegun === false) this.#finish(item)
    // A stalled one runs again and finds that its content is not wanted.
    else if (item !== undefined && this.#stalled.has(item)) this.retryNow()
  }

  /**
   * Waits until no change is pending that the path depends on; false if such changes are stalled.
   */
  async settled(path: string, options: AcquireOptions = {}): Promise<boolean> {
    for (;;) {
      const items = [...this.#touching(path)]
      if (items.length === 0) return true
      const stuck = this.#stuck()
      if (items.every((it) => stuck.has(it))) return false
      await this.#change(options.signal)
    }
  }

  /** Waits until all changes have ended, except stalled ones and those that wait for them. */
  async idle({ signal }: AcquireOptions = {}): Promise<void> {
    while (this.#items.size > this.#stuck().size) await this.#change(signal)
  }

  /** Waits until a change ends or stalls; false at once if no matching change can make progress. */
  async next(isWanted: (change: Change) => boolean, options: AcquireOptions): Promise<boolean> {
    const stuck = this.#stuck()
    const isComing = [...this.#items.values()].some((it) => !stuck.has(it) && isWanted(it.change))
    if (isComing) await this.#change(options.signal)
    return isComing
  }

  /** Retries stalled changes now. */
  retryNow(): void {
    this.#stalled.clear()
    for (const wake of [...this.#wakers]) wake()
  }

  /** Aborts running changes; starts no others. */
  async stop(): Promise<void> {
    this.#stop.abort()
    const running = [...this.#items.values()].filter((it) => it.hasBegun)
    await Promise.all(running.map((it) => it.finished.promise))
  }

  async #work(item: Item): Promise<void> {
    const { signal } = this.#stop
    const { run, attempts } = this.#options
    item.hasBegun = true
    try {
      for (let attempt = 1; ; attempt++) {
        const permit = await this.#permits.acquire(1, { signal })
        item.isRenewed = false
        const verdict = await run(item.change, attempt, signal).finally(() => permit.release())
        if (verdict === 'done') break
        if (signal.aborted) throw new Error('the queue has stopped')
        // The content that failed is not the current one.
        if (wasRenewed(item)) continue
        if (verdict === 'stalled' || attempt >= attempts) {
          this.#stalled.add(item)
          this.#notify()
        }
        await this.#rest(attempt)
      }
      this.#finish(item)
    } catch {
      // Stopped: the change stays in the journal, if there is one.
      item.finished.resolve()
    }
  }

  /** Waits for the backoff, for `retryNow`, or for `stop`. */
  async #rest(failures: number): Promise<void> {
    const { retryBaseMs: baseMs, retryMaxMs: maxMs } = this.#options
    const cut = new AbortController()
    const onAbort = (): void => cut.abort()
    const { signal } = this.#stop
    signal.addEventListener('abort', onAbort, { once: true })
    this.#wakers.add(onAbort)
    try {
      await pause(backoffMs(failures, { baseMs, maxMs }), cut.signal)
    } catch (error) {
      if (signal.aborted) throw error
    } finally {
      this.#wakers.delete(onAbort)
      signal.removeEventListener('abort', onAbort)
    }
  }

  #finish(item: Item): void {
    this.#items.delete(item.change)
    this.#stalled.delete(item)
    for (const path of item.paths) {
      discard(this.#at, path, item)
      for (let at = path; at !== '/';) discard(this.#below, (at = parentOf(at)), item)
    }
    item.finished.resolve()
    for (const other of item.blockers) other.blocked.delete(item)
    for (const other of item.blocked) {
      other.blockers.delete(item)
      // Items around a dropped one keep their order.
      for (const before of item.blockers) {
        other.blockers.add(before)
        before.blocked.add(other)
      }
      const isFree = other.blockers.size === 0 && !other.hasBegun
      if (isFree && !this.#stop.signal.aborted) void this.#work(other)
    }
    this.#notify()
  }

  /**
   * Stalled changes and those that wait for them. The search starts at the stalled ones and visits
   * each change once; from the other end, it would visit exponentially many paths through the
   * dependencies.
   */
  #stuck(): Set<Item> {
    const stuck = new Set(this.#stalled)
    // Items that are added during the iteration are visited as well.
    for (const item of stuck) for (const next of item.blocked) stuck.add(next)
    return stuck
  }

  *#overlapping(paths: readonly string[]): Generator<Item> {
    for (const path of paths) {
      yield* this.#touching(path)
      yield* this.#below.get(path) ?? []
    }
  }

  *#touching(path: string): Generator<Item> {
    yield* this.#at.get(path) ?? []
    for (let at = path; at !== '/';) yield* this.#at.get((at = parentOf(at))) ?? []
  }

  #notify(): void {
    const watchers = this.#watchers
    this.#watchers = []
    for (const watcher of watchers) watcher()
  }

  /** Waits until a change ends or stalls. */
  async #change(signal: AbortSignal | undefined): Promise<void> {
    const next = Promise.withResolvers<void>()
    this.#watchers.push(next.resolve)
    if (signal === undefined) {
      await next.promise
      return
    }
    const onAbort = (): void => next.reject(abortError(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    await next.promise.finally(() => signal.removeEventListener('abort', onAbort))
  }
}

/** A function, because the value may have changed since it was assigned. */
function wasRenewed(item: Item): boolean {
  return item.isRenewed
}

function insert(map: Map<string, Set<Item>>, path: string, item: Item): void {
  const items = map.get(path)
  if (items === undefined) map.set(path, new Set([item]))
  else items.add(item)
}

function discard(map: Map<string, Set<Item>>, path: string, item: Item): void {
  const items = map.get(path)
  items?.delete(item)
  if (items?.size === 0) map.delete(path)
}

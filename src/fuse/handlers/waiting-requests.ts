/**
 * Suspended requests. The wait condition of each is resolved, then the request is dispatched again
 * on the main thread, until it completes.
 *
 * Invariants: a request ends with exactly one reply: its own, the error of its wait condition, or
 * EINTR soon after its process was asked to stop, whether or not the resolver reacts to the abort.
 * A request that has made its changes (`hasChanged`) is given longer to report that it has.
 * What the operation must not leave undone (releasing locks) is done after such a reply.
 *
 * INTERRUPT may arrive through any worker and overtake its request: early ones are kept for a while
 * (bounded; most belong to requests that were already answered).
 */
import type { Suspended, WaitResult } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import { fuseLimits } from '../limits.ts'
import type { Dispatcher } from './dispatcher.ts'
import { wantsToStop } from '../stop-signals.ts'

interface Waiting {
  abort: AbortController
  pid: number
  isWatched: boolean
}

/** What a worker hands over of a `Suspended`: plain data. */
export type Suspension = Pick<Suspended, 'condition' | 'hasChanged'>

export interface WaitingRequestsOptions {
  dispatcher: Dispatcher
  resolveWait: (condition: unknown, how: { signal: AbortSignal }) => Promise<WaitResult | undefined>
  /** A request of this size that a worker handed over has ended. */
  done: (sizeBytes: number) => void
  /** The wait condition will not be resolved: the operation was abandoned before. */
  refused?: (condition: unknown) => void
}

export class WaitingRequests {
  readonly #options: WaitingRequestsOptions
  readonly #waiting = new Map<number, Waiting>()
  readonly #running = new Set<Promise<void>>()
  readonly #early = new Set<number>()
  #closed = false

  constructor(options: WaitingRequestsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#running.size
  }

  add(request: Uint8Array<ArrayBuffer>, suspended: Suspension): void {
    const running = this.#run(request, suspended).finally(() => {
      this.#running.delete(running)
      this.#options.done(request.length)
    })
    this.#running.add(running)
  }

  interrupt(unique: number): void {
    const waiting = this.#waiting.get(unique)
    if (waiting !== undefined) {
      this.#watch(unique, waiting)
      return
    }
    this.#early.add(unique)
    if (this.#early.size > fuseLimits.fuseEarlyInterrupts) {
      for (const oldest of this.#early) {
        this.#early.delete(oldest)
        break
      }
    }
  }

  /** Ends all suspended requests with EINTR; resolves when each has been answered. */
  async close(): Promise<void> {
    this.#closed = true
    for (const { abort } of this.#waiting.values()) {
      abort.abort(new FsError('EINTR', 'the mount is being closed'))
    }
    await Promise.all(this.#running)
  }

  async #run(request: Uint8Array<ArrayBuffer>, suspended: Suspension): Promise<void> {
    const { dispatcher } = this.#options
    dispatcher.request.load(request)
    const { unique, pid } = dispatcher.request
    const abort = new AbortController()
    const waiting = { abort, pid, isWatched: false }
    this.#waiting.set(unique, waiting)
    if (this.#early.delete(unique)) this.#watch(unique, waiting)
    if (this.#closed) abort.abort(new FsError('EINTR', 'the mount is being closed'))
    try {
      await this.#complete(request, suspended, abort.signal)
    } catch (error) {
      // Other requests were dispatched meanwhile.
      dispatcher.request.load(request)
      dispatcher.fail(error)
      await this.#cleanUp(request)
    } finally {
      this.#waiting.delete(unique)
    }
  }

  /** The kernel reports only the first signal of a request: later ones are found by polling. */
  #watch(unique: number, waiting: Waiting): void {
    if (waiting.isWatched) return
    waiting.isWatched = true
    const look = (): void => {
      if (this.#waiting.get(unique) !== waiting) return
      if (!wantsToStop(waiting.pid)) setTimeout(look, fuseLimits.stopSignalLookMs)
      else waiting.abort.abort(new FsError('EINTR', 'the operation was interrupted'))
    }
    look()
  }

  async #cleanUp(request: Uint8Array<ArrayBuffer>): Promise<void> {
    const { dispatcher } = this.#options
    const blocked = dispatcher.abandon()
    if (blocked === undefined) return
    try {
      const { signal } = new AbortController()
      await this.#rounds(request, blocked, signal, (results) => dispatcher.abandon(results))
    } catch (error) {
      dispatcher.request.load(request)
      dispatcher.report(error)
    }
  }

  #complete(
    request: Uint8Array<ArrayBuffer>,
    suspended: Suspension,
    signal: AbortSignal,
  ): Promise<void> {
    const { dispatcher } = this.#options
    return this.#rounds(request, suspended, signal, (results) => {
      return dispatcher.dispatch(request.length, results)
    })
  }

  async #rounds(
    request: Uint8Array<ArrayBuffer>,
    first: Suspension,
    signal: AbortSignal,
    run: (results: readonly WaitResult[]) => Suspended | undefined,
  ): Promise<void> {
    const { dispatcher } = this.#options
    let suspended: Suspension = first
    const results: WaitResult[] = []
    for (let round = 0; round < fuseLimits.fuseResolveRounds; round++) {
      const result = await this.#resolve(suspended, signal)
      if (result) results.push(result)
      dispatcher.request.load(request)
      const again = run(results)
      if (again === undefined) return
      suspended = again
    }
    throw new Error(`a request is still suspended after ${fuseLimits.fuseResolveRounds} rounds`)
  }

  async #resolve(
    { condition, hasChanged }: Suspension,
    signal: AbortSignal,
  ): Promise<WaitResult | undefined> {
    if (signal.aborted && !hasChanged) {
      this.#options.refused?.(condition)
      throw signal.reason
    }
    const { resolveWait } = this.#options
    if (!hasChanged) {
      return await orAborted(
        resolveWait(condition, { signal }),
        signal,
        fuseLimits.interruptGraceMs,
      )
    }
    // The resolver sees the abort only when the grace period is over.
    const late = new AbortController()
    try {
      const wait = resolveWait(condition, { signal: late.signal })
      return await orAborted(wait, signal, fuseLimits.changedGraceMs)
    } finally {
      late.abort(signal.reason)
    }
  }
}

/**
 * The result of `work`, or the abort reason after a grace period: work that is about to end may do
 * so, so that a signal does not leave it uncertain whether a name was created.
 */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal, graceMs: number): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(() => aborted.reject(signal.reason as Error), graceMs)
  }
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * Suspended requests. The wait condition of each is resolved, then the request is dispatched again
 * on the main thread, until it completes.
 *
 * Invariants: a request ends with exactly one reply: its own, the error of its wait condition, or
 * EINTR soon after its process was asked to stop, whether or not the resolver reacts to the abort.
 * What the operation must not leave undone (releasing locks) is done after such a reply.
 *
 * INTERRUPT may arrive through any worker and overtake its request: early ones are kept for a while
 * (bounded; most belong to requests that were already answered).
 */
import { resume, type Suspended, type WaitResult } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import { fuseLimits } from '../limits.ts'
import type { Dispatcher } from './dispatcher.ts'
import { wantsToStop } from '../stop-signals.ts'

interface Waiting {
  abort: AbortController
  pid: number
  isWatched: boolean
}

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

  add(request: Uint8Array<ArrayBuffer>, condition: unknown): void {
    const running = this.#run(request, condition).finally(() => {
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

  async #run(request: Uint8Array<ArrayBuffer>, condition: unknown): Promise<void> {
    const { dispatcher } = this.#options
    dispatcher.request.load(request)
    const { unique, pid } = dispatcher.request
    const abort = new AbortController()
    const waiting = { abort, pid, isWatched: false }
    this.#waiting.set(unique, waiting)
    if (this.#early.delete(unique)) this.#watch(unique, waiting)
    if (this.#closed) abort.abort(new FsError('EINTR', 'the mount is being closed'))
    try {
      await this.#complete(request, condition, abort.signal)
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
      await this.#rounds(request, blocked.condition, signal, () => dispatcher.abandon())
    } catch (error) {
      dispatcher.request.load(request)
      dispatcher.report(error)
    }
  }

  #complete(
    request: Uint8Array<ArrayBuffer>,
    condition: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    const { dispatcher } = this.#options
    return this.#rounds(request, condition, signal, () => dispatcher.dispatch(request.length))
  }

  async #rounds(
    request: Uint8Array<ArrayBuffer>,
    firstCondition: unknown,
    signal: AbortSignal,
    run: () => Suspended | undefined,
  ): Promise<void> {
    const { dispatcher, resolveWait } = this.#options
    let condition = firstCondition
    const outcomes: WaitResult[] = []
    for (let round = 0; round < fuseLimits.fuseResolveRounds; round++) {
      if (signal.aborted) {
        this.#options.refused?.(condition)
        throw signal.reason
      }
      const outcome = await orAborted(resolveWait(condition, { signal }), signal)
      if (outcome) outcomes.push(outcome)
      dispatcher.request.load(request)
      const blocked = resume(outcomes, run)
      if (blocked === undefined) return
      condition = blocked.condition
    }
    throw new Error(`a request is still suspended after ${fuseLimits.fuseResolveRounds} rounds`)
  }
}

/**
 * The result of `work`, or the abort reason after a grace period: work that is about to end may do
 * so, so that a signal does not leave it uncertain whether a name was created.
 */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(() => aborted.reject(signal.reason as Error), fuseLimits.interruptGraceMs)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

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
import { resume, type Blocked, type Outcome } from '../base/blocked.ts'
import { FsError } from '../base/fs-error.ts'
import { limits } from '../limits.ts'
import type { Dispatcher } from './dispatcher.ts'
import { wantsToStop } from './stop-signals.ts'

interface Waiting {
  abort: AbortController
  pid: number
  isWatched: boolean
}

export interface WaitingRequestsOptions {
  dispatcher: Dispatcher
  satisfy: (need: unknown, how: { signal: AbortSignal }) => Promise<Outcome | undefined>
  /** A request of this size that a worker handed over has ended. */
  done: (sizeBytes: number) => void
  /** The wait condition will not be resolved: the operation was abandoned before. */
  refused?: (need: unknown) => void
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

  add(request: Uint8Array<ArrayBuffer>, need: unknown): void {
    const running = this.#run(request, need).finally(() => {
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
    if (this.#early.size > limits.fuseEarlyInterrupts) {
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

  async #run(request: Uint8Array<ArrayBuffer>, need: unknown): Promise<void> {
    const { dispatcher } = this.#options
    dispatcher.request.load(request)
    const { unique, pid } = dispatcher.request
    const abort = new AbortController()
    const waiting = { abort, pid, isWatched: false }
    this.#waiting.set(unique, waiting)
    if (this.#early.delete(unique)) this.#watch(unique, waiting)
    if (this.#closed) abort.abort(new FsError('EINTR', 'the mount is being closed'))
    try {
      await this.#complete(request, need, abort.signal)
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
      if (!wantsToStop(waiting.pid)) setTimeout(look, limits.stopSignalLookMs)
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
      await this.#rounds(request, blocked.need, signal, () => dispatcher.abandon())
    } catch (error) {
      dispatcher.request.load(request)
      dispatcher.report(error)
    }
  }

  #complete(request: Uint8Array<ArrayBuffer>, need: unknown, signal: AbortSignal): Promise<void> {
    const { dispatcher } = this.#options
    return this.#rounds(request, need, signal, () => dispatcher.dispatch(request.length))
  }

  async #rounds(
    request: Uint8Array<ArrayBuffer>,
    firstNeed: unknown,
    signal: AbortSignal,
    run: () => Blocked | undefined,
  ): Promise<void> {
    const { dispatcher, satisfy } = this.#options
    let need = firstNeed
    const outcomes: Outcome[] = []
    for (let round = 0; round < limits.fuseSatisfyRounds; round++) {
      if (signal.aborted) {
        this.#options.refused?.(need)
        throw signal.reason
      }
      const outcome = await orAborted(satisfy(need, { signal }), signal)
      if (outcome) outcomes.push(outcome)
      dispatcher.request.load(request)
      const blocked = resume(outcomes, run)
      if (blocked === undefined) return
      need = blocked.need
    }
    throw new Error(`a request is still suspended after ${limits.fuseSatisfyRounds} rounds`)
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
    timer = setTimeout(() => aborted.reject(signal.reason as Error), limits.interruptGraceMs)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

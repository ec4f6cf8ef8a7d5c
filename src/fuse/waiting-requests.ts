/**
 * Requests that a worker could not finish because something slow has to happen first. Each has its
 * need satisfied and is then dispatched again on the main thread, until it completes. It ends with
 * exactly one reply: its own, the error that satisfying failed with, or EINTR soon after its
 * process was asked to stop, whether or not the one who satisfies notices. What an operation must
 * not leave undone (locks given back) is done after such a reply.
 *
 * The kernel's INTERRUPT travels through any worker and may overtake its request: those are
 * remembered for a while (bounded; most are for requests that were answered meanwhile).
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
  /** A request of this size, as handed over by a worker, is done. */
  done: (sizeBytes: number) => void
  /** Nobody will satisfy it: the operation was given up before. */
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

  /** Ends all that wait, with EINTR, and resolves when each has been answered. */
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
      // Others were dispatched meanwhile.
      dispatcher.request.load(request)
      dispatcher.fail(error)
      await this.#cleanUp(request)
    } finally {
      this.#waiting.delete(unique)
    }
  }

  /** The kernel tells of the first signal only: those that follow have to be looked for. */
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
    throw new Error(`a request was satisfied ${limits.fuseSatisfyRounds} times and still waits`)
  }
}

/**
 * The outcome of `work`, or the signal's reason soon after it is aborted: what is about to end
 * anyway may, so that a signal does not leave in doubt whether a name was made.
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

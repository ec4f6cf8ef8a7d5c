/**
 * One piece of work per key at a time: whoever asks while it is under way joins it and gets the
 * same answer, so that a thousand readers of one missing chunk cost one request.
 *
 * Invariants: a caller's abort ends only that caller's wait; the work itself is aborted when all
 * who wanted it have left, and a newcomer then starts afresh rather than join what is being torn
 * down. Nothing is remembered once the work has ended.
 */
import { abortError, throwIfAborted } from './abort.ts'
import { FsError } from './fs-error.ts'

interface Flight<T> {
  controller: AbortController
  result: Promise<T>
  callers: number
}

export class SingleFlight<K, T> {
  readonly #flights = new Map<K, Flight<T>>()

  /** Keys with work under way. */
  get size(): number {
    return this.#flights.size
  }

  has(key: K): boolean {
    return this.#flights.has(key)
  }

  async run(
    key: K,
    work: (signal: AbortSignal) => Promise<T>,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    throwIfAborted(signal)
    const flight = this.#flights.get(key) ?? this.#start(key, work)
    flight.callers++
    try {
      return await (signal === undefined ? flight.result : race(flight.result, signal))
    } finally {
      flight.callers--
      if (flight.callers === 0) this.#abandon(key, flight)
    }
  }

  #start(key: K, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController()
    // The key is taken before the work begins: work that asks for its own key would else recurse.
    const result = Promise.resolve().then(() => work(controller.signal))
    const flight: Flight<T> = { controller, result, callers: 0 }
    this.#flights.set(key, flight)
    const forget = (): void => this.#forget(key, flight)
    // Also where every caller has left: an answer that nobody hears is no unhandled rejection.
    result.then(forget, forget)
    return flight
  }

  #abandon(key: K, flight: Flight<T>): void {
    this.#forget(key, flight)
    flight.controller.abort(new FsError('ECANCELED', 'everyone who wanted this has left'))
  }

  #forget(key: K, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}

/** The result, or the caller's abort, whichever comes first. */
function race<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    result.finally(settle).then(resolve, reject)
  })
}

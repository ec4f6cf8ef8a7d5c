/**
 * Runs at most one piece of work per key at a time. A caller that arrives while it is running joins
 * it and gets the same result, so that a thousand readers of one absent chunk cost one request.
 *
 * Invariants: the abort of a caller ends only the wait of that caller. The work is aborted when all
 * its callers have left; a later caller then starts a new run instead of joining the aborted one.
 * No result is kept after the work has ended.
 */
import { abortError, throwIfAborted } from './abort.ts'
import { FsError } from '../fs-error.ts'

interface Flight<T> {
  controller: AbortController
  result: Promise<T>
  callers: number
}

export class SingleFlight<K, T> {
  readonly #flights = new Map<K, Flight<T>>()

  /** Number of keys with running work. */
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
    // The key is registered before the work begins: work that requests its own key would recurse.
    const result = Promise.resolve().then(() => work(controller.signal))
    const flight: Flight<T> = { controller, result, callers: 0 }
    this.#flights.set(key, flight)
    const remove = (): void => this.#remove(key, flight)
    // If all callers have left, this also handles the rejection.
    result.then(remove, remove)
    return flight
  }

  #abandon(key: K, flight: Flight<T>): void {
    this.#remove(key, flight)
    flight.controller.abort(new FsError('ECANCELED', 'all callers have left'))
  }

  #remove(key: K, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}

/** The result or the abort of the caller, whichever comes first. */
function race<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    result.finally(settle).then(resolve, reject)
  })
}

/**
 * Asks sources in order for the same thing: the next one when one fails, and also beside one that
 * is later than is usual for it ("hedged requests", https://research.google/pubs/the-tail-at-scale).
 * The first good answer wins, and whoever is still busy is told to stop.
 *
 * Invariants: no source is asked twice; at most two are busy at a time; nothing goes on after the
 * answer, or after the caller's abort; the error at the end is that of the last one to fail.
 */
import { abortError, throwIfAborted } from '../../base/abort.ts'
import { FsError } from '../../base/fs-error.ts'

export interface Source<T> {
  /** So long, ms, until the next source is asked beside this one; Infinity: only if it fails. */
  patienceMs: number
  read(signal: AbortSignal): Promise<T>
  /** It failed, and not because it was told to stop. */
  onFailure?(error: unknown): void
  /** Another one was quicker. */
  onLost?(): void
}

const BUSY_MAX = 2

export async function hedgedRead<T>(
  sources: readonly Source<T>[],
  signal?: AbortSignal,
): Promise<T> {
  throwIfAborted(signal)
  const race = new Race(sources)
  const onAbort = (): void => race.fail(abortError(signal!))
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await race.result
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

class Race<T> {
  readonly #sources: readonly Source<T>[]
  readonly #outcome = Promise.withResolvers<T>()
  readonly #busy = new Map<Source<T>, AbortController>()
  #next = 0
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(sources: readonly Source<T>[]) {
    this.#sources = sources
    this.#startNext(new FsError('EIO', 'there is no source to ask'))
  }

  get result(): Promise<T> {
    return this.#outcome.promise
  }

  fail(error: unknown): void {
    if (this.#end()) this.#outcome.reject(error)
  }

  /** `error`: what to say where there is none left, and none busy. */
  #startNext(error: unknown): void {
    const source = this.#sources[this.#next]
    if (source === undefined) {
      if (this.#busy.size === 0) this.fail(error)
      return
    }
    if (this.#busy.size >= BUSY_MAX) return
    this.#next += 1
    const controller = new AbortController()
    this.#busy.set(source, controller)
    this.#setTimer(source)
    // A source that throws at once fails like any other.
    const reading = Promise.resolve().then(() => source.read(controller.signal))
    reading.then(
      (value) => this.#won(source, value),
      (failure: unknown) => this.#failed(source, failure),
    )
  }

  #setTimer({ patienceMs }: Source<T>): void {
    clearTimeout(this.#timer)
    if (patienceMs === Infinity || this.#next >= this.#sources.length) return
    const late = new FsError('ETIMEDOUT', 'the source is late')
    this.#timer = setTimeout(() => this.#startNext(late), patienceMs)
  }

  #won(source: Source<T>, value: T): void {
    if (this.#isOver) return
    this.#busy.delete(source)
    for (const slower of this.#busy.keys()) slower.onLost?.()
    this.#end()
    this.#outcome.resolve(value)
  }

  #failed(source: Source<T>, error: unknown): void {
    if (this.#isOver) return
    this.#busy.delete(source)
    source.onFailure?.(error)
    this.#startNext(error)
  }

  /** False: it was over before. */
  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    clearTimeout(this.#timer)
    const reason = new FsError('ECANCELED', 'another source was quicker, or nobody waits any more')
    for (const controller of this.#busy.values()) controller.abort(reason)
    this.#busy.clear()
    return true
  }
}

/**
 * Reads from the first of several sources that succeeds. Sources are tried in order: the next one
 * starts when one fails, and also in parallel when one is slower than usual ("hedged requests",
 * https://research.google/pubs/the-tail-at-scale). The first success wins and aborts the other
 * read.
 *
 * Invariants: no source is read twice. At most two reads are active at a time. No read continues
 * after the result or after the abort of the caller. If all sources fail, the error is that of the
 * last failure.
 */
import { abortError, throwIfAborted } from '../../base/async/abort.ts'
import { FsError } from '../../base/fs-error.ts'

export interface Source<T> {
  /** Time in ms after which the next source is read in parallel; Infinity: only after a failure. */
  patienceMs: number
  read(signal: AbortSignal): Promise<T>
  /** Called if the read failed other than by being aborted. */
  onFailure?(error: unknown): void
  /** Called if another source answered first. */
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
  #nextSource = 0
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(sources: readonly Source<T>[]) {
    this.#sources = sources
    this.#startNext(new FsError('EIO', 'no source to read from'))
  }

  get result(): Promise<T> {
    return this.#outcome.promise
  }

  fail(error: unknown): void {
    if (this.#end()) this.#outcome.reject(error)
  }

  /** `error`: the result if no source is left and no read is active. */
  #startNext(error: unknown): void {
    const source = this.#sources[this.#nextSource]
    if (source === undefined) {
      if (this.#busy.size === 0) this.fail(error)
      return
    }
    if (this.#busy.size >= BUSY_MAX) return
    this.#nextSource += 1
    const controller = new AbortController()
    this.#busy.set(source, controller)
    this.#setTimer(source)
    // A source that throws synchronously fails like any other.
    const reading = Promise.resolve().then(() => source.read(controller.signal))
    reading.then(
      (value) => this.#won(source, value),
      (failure: unknown) => this.#failed(source, failure),
    )
  }

  #setTimer({ patienceMs }: Source<T>): void {
    clearTimeout(this.#timer)
    if (patienceMs === Infinity || this.#nextSource >= this.#sources.length) return
    const late = new FsError('ETIMEDOUT', 'the source did not respond in time')
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

  /** False if the race had already ended. */
  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    clearTimeout(this.#timer)
    const reason = new FsError('ECANCELED', 'another source answered first, or the reader left')
    for (const controller of this.#busy.values()) controller.abort(reason)
    this.#busy.clear()
    return true
  }
}

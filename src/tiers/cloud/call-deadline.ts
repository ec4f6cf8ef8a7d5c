/**
 * The time that one call to the cloud may take: a fixed part, and more for every byte it moves, so
 * that a slow line does not fail on large objects and a hung one does not hang us. `signal` goes
 * to the SDK; it fires for the caller's abort (ECANCELED) as for the deadline (ETIMEDOUT).
 */
import { abortError } from '../../base/abort.ts'
import type { FsError } from '../../base/fs-error.ts'
import { limits } from '../../limits.ts'

export class CallDeadline implements Disposable {
  readonly #controller = new AbortController()
  readonly #caller: AbortSignal | undefined
  readonly #onAbort: () => void
  #endMs: number
  #timer: NodeJS.Timeout

  constructor(caller: AbortSignal | undefined, callMs: number = limits.cloudCallMs) {
    this.#caller = caller
    this.#onAbort = () => this.#controller.abort(caller?.reason)
    this.#endMs = performance.now() + callMs
    this.#timer = this.#start()
    if (caller?.aborted) this.#onAbort()
    else caller?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** More time, for so many bytes more. */
  allow(bytes: number): void {
    this.#endMs += bytes / limits.cloudBytesPerMsMin
    clearTimeout(this.#timer)
    this.#timer = this.#start()
  }

  /** What ended the call, where it was the deadline or the caller. */
  get error(): FsError | undefined {
    return this.signal.aborted ? abortError(this.signal) : undefined
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#caller?.removeEventListener('abort', this.#onAbort)
  }

  #start(): NodeJS.Timeout {
    const expire = (): void => {
      const late = new DOMException('the time for this call is over', 'TimeoutError')
      this.#controller.abort(late)
    }
    return setTimeout(expire, this.#endMs - performance.now())
  }
}

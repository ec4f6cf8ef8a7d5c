/**
 * Deadline of one request to the cloud: a fixed time plus an allowance for each byte transferred,
 * so that large objects succeed on a slow line and a request that hangs still ends. `signal` is
 * passed to the SDK; it fires when the caller aborts (ECANCELED) or when the deadline passes
 * (ETIMEDOUT).
 */
import { abortError } from '../../base/async/abort.ts'
import type { FsError } from '../../base/fs-error.ts'
import { tiersLimits } from '../limits.ts'

export class CallDeadline implements Disposable {
  readonly #controller = new AbortController()
  readonly #caller: AbortSignal | undefined
  readonly #onAbort: () => void
  #endMs: number
  #timer: NodeJS.Timeout

  constructor(caller: AbortSignal | undefined, callMs: number = tiersLimits.cloudCallMs) {
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

  /** Extends the deadline by the allowance for `bytes` more bytes. */
  allow(bytes: number): void {
    this.#endMs += bytes / tiersLimits.cloudBytesPerMsMin
    clearTimeout(this.#timer)
    this.#timer = this.#start()
  }

  /** Set if the deadline or the caller's abort ended the request. */
  get error(): FsError | undefined {
    return this.signal.aborted ? abortError(this.signal) : undefined
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#caller?.removeEventListener('abort', this.#onAbort)
  }

  #start(): NodeJS.Timeout {
    const expire = (): void => {
      const late = new DOMException('the deadline of this request has passed', 'TimeoutError')
      this.#controller.abort(late)
    }
    return setTimeout(expire, this.#endMs - performance.now())
  }
}

/**
 * A condition to wait for: whoever makes progress (an upload done, space freed) tells, and waiters
 * look again. No progress for a while wakes them too, so that a missed word is a delay and no hang.
 */
import { cacheLimits } from '../limits.ts'

export class ConditionVariable {
  #waiting = Promise.withResolvers<void>()

  /** Something changed: all waiters look again. */
  announce(): void {
    const { resolve } = this.#waiting
    this.#waiting = Promise.withResolvers<void>()
    resolve()
  }

  /** Until `done()` holds. Rejects with the signal's reason. */
  async until(done: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!done()) await this.next(signal)
  }

  /** Until the next word, or a short while. */
  async next(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { promise: look, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, cacheLimits.conditionPollMs)
    signal?.addEventListener('abort', () => resolve(), { once: true })
    await Promise.race([look, this.#waiting.promise])
    clearTimeout(timer)
    resolve()
    signal?.throwIfAborted()
  }
}

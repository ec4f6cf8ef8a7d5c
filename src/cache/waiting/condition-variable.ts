/**
 * Condition variable: a change (an upload has ended, space was freed) is announced, and waiters
 * check their condition again. They also check it at intervals, so that a missed announcement is a
 * delay and not a hang.
 */
import { cacheLimits } from '../limits.ts'

export class ConditionVariable {
  #waiting = Promise.withResolvers<void>()

  /** Wakes all waiters. */
  announce(): void {
    const { resolve } = this.#waiting
    this.#waiting = Promise.withResolvers<void>()
    resolve()
  }

  /** Resolves when `done()` returns true. Rejects with the reason of the signal. */
  async until(done: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!done()) await this.next(signal)
  }

  /** Resolves at the next announcement, or after a short time. */
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

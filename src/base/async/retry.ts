/**
 * Retries with exponential backoff and full jitter, so that clients that failed together do not
 * retry together
 * (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/). Attempts are
 * bounded, or unlimited (uploads, registrations) until the signal aborts.
 *
 * Invariants: an abort ends a wait at once. The error thrown at the end is the last failure itself.
 * `AttemptRate` limits the attempts of all its callers together.
 */
import { throwIfAborted } from './abort.ts'
import { baseLimits } from '../limits.ts'

export interface RetryOptions {
  /** Total number of calls, including the first; Infinity: until success or abort. */
  attempts: number
  /** Upper bound of the first wait, ms; doubles with every failure. */
  baseMs?: number | undefined
  /** Upper bound of every wait, ms. */
  maxMs?: number | undefined
  signal?: AbortSignal | undefined
  /** Whether to retry after this failure; default: always. */
  retryable?: ((error: unknown) => boolean) | undefined
  /** Called before each wait, for logs and counters. */
  onRetry?: ((failure: Failure) => void) | undefined
  /** Shared rate limit; each attempt waits for its slot first. */
  rate?: AttemptRate | undefined
  /** Replaces the wait if events other than time may end it. */
  rest?: ((delayMs: number, signal?: AbortSignal) => Promise<void>) | undefined
  /** Returns a number from 0 to below 1; for tests. */
  random?: (() => number) | undefined
}

export interface Failure {
  error: unknown
  /** Attempts made so far. */
  attempt: number
  /** Wait before the next attempt. */
  delayMs: number
}

export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { attempts, signal, retryable = () => true, rest = pause } = options
  for (let attempt = 1; ; attempt++) {
    await options.rate?.take({ signal })
    throwIfAborted(signal, 'the retry')
    try {
      return await work(attempt)
    } catch (error) {
      if (attempt >= attempts || signal?.aborted || !retryable(error)) throw error
      const delayMs = backoffMs(attempt, options)
      options.onRetry?.({ error, attempt, delayMs })
      await rest(delayMs, signal)
    }
  }
}

/** Wait after the given number of consecutive failures, ms. */
export function backoffMs(
  failures: number,
  options: Pick<RetryOptions, 'baseMs' | 'maxMs' | 'random'> = {},
): number {
  const {
    baseMs = baseLimits.retryBaseMs,
    maxMs = baseLimits.retryMaxMs,
    random = Math.random,
  } = options
  // 2 ** 1024 is Infinity, which the cap turns back into a number.
  return random() * Math.min(maxMs, baseMs * 2 ** (failures - 1))
}

/** Waits until the time has passed or the signal aborts. */
export async function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal, 'the wait for a retry')
  // Without a timer, so that an immediate retry does not depend on the clock.
  if (delayMs <= 0) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, delayMs)
  const onAbort = (): void => resolve()
  signal?.addEventListener('abort', onAbort, { once: true })
  await promise.finally(() => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  })
  throwIfAborted(signal, 'the wait for a retry')
}

/**
 * Limits attempts per minute, at equal distances: after a burst, it would take up to a minute to
 * detect that attempts succeed again.
 */
export class AttemptRate {
  readonly #intervalMs: number
  readonly #now: () => number
  /** Time of the next free slot, ms. */
  #nextMs = -Infinity

  constructor(perMinute: number, now: () => number = () => performance.now()) {
    if (!(perMinute >= 1)) throw new RangeError(`perMinute must be at least 1, not ${perMinute}`)
    this.#intervalMs = 60_000 / perMinute
    this.#now = now
  }

  /** Takes the next slot; returns the wait until then, ms. */
  reserve(): number {
    const now = this.#now()
    const at = Math.max(now, this.#nextMs)
    this.#nextMs = at + this.#intervalMs
    return at - now
  }

  /** Waits for the next slot. An aborted wait keeps its slot, so the rate stays below the limit. */
  async take({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    throwIfAborted(signal, 'the wait for a retry')
    const delayMs = this.reserve()
    if (delayMs > 0) await pause(delayMs, signal)
  }
}

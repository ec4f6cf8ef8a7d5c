/**
 * Trying again: exponential backoff with full jitter, so that clients which failed together do not
 * come back together (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-
 * jitter/). Bounded by attempts, or for ever (uploads, registrations) where only the signal ends
 * it.
 *
 * Invariants: an abort ends the wait at once; what is thrown at the end is the last failure
 * itself. `AttemptRate` caps how often something may be tried at all, however many ask.
 */
import { throwIfAborted } from './abort.ts'
import { limits } from '../limits.ts'

export interface RetryOptions {
  /** Calls in all, the first included; Infinity for until it succeeds or is aborted. */
  attempts: number
  /** Bound of the first wait, ms; doubles with every failure. */
  baseMs?: number | undefined
  /** Bound of every wait, ms. */
  maxMs?: number | undefined
  signal?: AbortSignal | undefined
  /** Whether this failure may pass; all may, by default. */
  retryable?: ((error: unknown) => boolean) | undefined
  /** Called before each wait, for logs and counters. */
  onRetry?: ((failure: Failure) => void) | undefined
  /** Shared cap: each attempt takes a place in it first. */
  rate?: AttemptRate | undefined
  /** The wait itself, where something else than the time may end it. */
  rest?: ((delayMs: number, signal?: AbortSignal) => Promise<void>) | undefined
  /** 0 up to 1, for tests. */
  random?: (() => number) | undefined
}

export interface Failure {
  error: unknown
  /** Attempts made so far. */
  attempt: number
  /** Until the next one. */
  delayMs: number
}

export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { attempts, signal, retryable = () => true, rest = pause } = options
  for (let attempt = 1; ; attempt++) {
    await options.rate?.take({ signal })
    throwIfAborted(signal, 'trying again')
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

/** How long to wait after the given number of failures. */
export function backoffMs(
  failures: number,
  options: Pick<RetryOptions, 'baseMs' | 'maxMs' | 'random'> = {},
): number {
  const { baseMs = limits.retryBaseMs, maxMs = limits.retryMaxMs, random = Math.random } = options
  // 2 ** 1024 is Infinity, which the cap turns back into a number.
  return random() * Math.min(maxMs, baseMs * 2 ** (failures - 1))
}

/** A wait that an abort ends. */
export async function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal, 'waiting to try again')
  // Without a timer: what is to follow at once does not depend on the machine's clock.
  if (delayMs <= 0) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, delayMs)
  const onAbort = (): void => resolve()
  signal?.addEventListener('abort', onAbort, { once: true })
  await promise.finally(() => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  })
  throwIfAborted(signal, 'waiting to try again')
}

/**
 * At most so many attempts in a minute, at even distances: after a burst of them it would take a
 * minute to notice that they could succeed again.
 */
export class AttemptRate {
  readonly #intervalMs: number
  readonly #now: () => number
  /** When the next place is free. */
  #next = -Infinity

  constructor(perMinute: number, now: () => number = () => performance.now()) {
    if (!(perMinute >= 1)) throw new RangeError(`attempts per minute: 1 or more, not ${perMinute}`)
    this.#intervalMs = 60_000 / perMinute
    this.#now = now
  }

  /** Takes the next place and says how long to wait for it, ms. */
  reserve(): number {
    const now = this.#now()
    const at = Math.max(now, this.#next)
    this.#next = at + this.#intervalMs
    return at - now
  }

  /** Waits for the next place. An aborted wait does not give its place back: it only errs low. */
  async take({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    throwIfAborted(signal, 'waiting to try again')
    const delayMs = this.reserve()
    if (delayMs > 0) await pause(delayMs, signal)
  }
}

/**
 * Token bucket: allows `burst` actions at once and one more every `everyMs`. It never waits; the
 * caller handles an action over the limit in another way.
 */
export class RateLimiter {
  readonly #burst: number
  readonly #everyMs: number
  readonly #clock: () => number
  #left: number
  #sinceMs: number

  constructor(burst: number, everyMs: number, clock = (): number => performance.now()) {
    this.#burst = burst
    this.#everyMs = everyMs
    this.#clock = clock
    this.#left = burst
    this.#sinceMs = clock()
  }

  /** False if the rate is exceeded. */
  take(): boolean {
    const nowMs = this.#clock()
    this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#sinceMs) / this.#everyMs)
    this.#sinceMs = nowMs
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}

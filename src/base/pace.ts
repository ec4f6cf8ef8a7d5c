/**
 * Something that may be done so many times at once, and once more after every so many milliseconds
 * (a token bucket). Asks nobody to wait: what is too much is to be done in another way.
 */
export class Pace {
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

  /** False: too often. */
  take(): boolean {
    const nowMs = this.#clock()
    this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#sinceMs) / this.#everyMs)
    this.#sinceMs = nowMs
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}

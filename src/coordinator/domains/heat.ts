/**
 * Whether a domain changes hands too often: more hand-overs than `handOvers` in `handOverMs`,
 * counted as by a leaky bucket.
 */
import { coordinatorLimits } from '../limits.ts'

export class Heat {
  readonly #nowMs: () => number
  #handOvers = 0
  #atMs = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  add(): void {
    // At most twice the threshold, so that it cools down in time.
    this.#handOvers = Math.min(this.#cooled() + 1, 2 * coordinatorLimits.handOvers)
    this.#atMs = this.#nowMs()
  }

  isHot(): boolean {
    return this.#handOvers > 0 && this.#cooled() >= coordinatorLimits.handOvers
  }

  #cooled(): number {
    const { handOvers, handOverMs } = coordinatorLimits
    return Math.max(0, this.#handOvers - ((this.#nowMs() - this.#atMs) * handOvers) / handOverMs)
  }
}

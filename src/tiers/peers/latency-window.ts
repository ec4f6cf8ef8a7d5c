/**
 * 95th percentile of the latest response times. It is undefined until enough samples have been
 * collected to be meaningful.
 */
import { tiersLimits } from '../limits.ts'

export class LatencyWindow {
  readonly #samples: number[] = []
  #next = 0
  #cachedP95: number | undefined

  add(ms: number): void {
    this.#samples[this.#next] = ms
    this.#next = (this.#next + 1) % tiersLimits.peerLatencySamples
    this.#cachedP95 = undefined
  }

  /** 95th percentile in ms; undefined with fewer than `peerLatencySamplesMin` samples. */
  p95(): number | undefined {
    if (this.#samples.length < tiersLimits.peerLatencySamplesMin) return undefined
    if (this.#cachedP95 === undefined) {
      const sorted = this.#samples.toSorted((a, b) => a - b)
      this.#cachedP95 = sorted[Math.ceil(sorted.length * 0.95) - 1]
    }
    return this.#cachedP95
  }
}

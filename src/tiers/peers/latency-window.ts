/**
 * What is usual: the times of the last answers, and below which of them nearly all lie. Few answers
 * tell nothing.
 */
import { limits } from '../../limits.ts'

export class LatencyWindow {
  readonly #samples: number[] = []
  #next = 0
  #known: number | undefined

  add(ms: number): void {
    this.#samples[this.#next] = ms
    this.#next = (this.#next + 1) % limits.peerLatencySamples
    this.#known = undefined
  }

  /** 95 of 100 answers took no longer, ms; undefined while too few are known. */
  p95(): number | undefined {
    if (this.#samples.length < limits.peerLatencySamplesMin) return undefined
    if (this.#known === undefined) {
      const sorted = this.#samples.toSorted((a, b) => a - b)
      this.#known = sorted[Math.ceil(sorted.length * 0.95) - 1]
    }
    return this.#known
  }
}

/**
 * The time of the coordinator, on every node: what the clocks of the nodes show does not matter,
 * nor that one is set. Until the coordinator has told it, it is the time of this machine.
 */
import { monotonicMs } from '../../base/clock.ts'

export class ClusterClock {
  #ahead: number | undefined

  /** The coordinator's clock shows this now. */
  set(theirMs: number): void {
    this.#ahead = theirMs - monotonicMs()
  }

  /** Milliseconds since 1970. */
  nowMs(): number {
    return this.#ahead === undefined ? Date.now() : Math.round(monotonicMs() + this.#ahead)
  }
}

/**
 * The coordinator's time on a node. It does not depend on the wall clock of the node, or on changes
 * of that clock. Before the coordinator has sent its time, this is the time of the machine.
 */
import { monotonicMs } from '../../base/clock.ts'

export class ClusterClock {
  #ahead: number | undefined

  /** `theirMs`: current time of the coordinator, milliseconds since 1970. */
  set(theirMs: number): void {
    this.#ahead = theirMs - monotonicMs()
  }

  /** Milliseconds since 1970. */
  nowMs(): number {
    return this.#ahead === undefined ? Date.now() : Math.round(monotonicMs() + this.#ahead)
  }
}

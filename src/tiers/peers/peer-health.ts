/**
 * Circuit breaker for peers. A peer that failed, or lost several races in a row, is ejected: it is
 * not used for a while, longer after each further failure. A success resets its record.
 *
 * Invariants: an ejection ends by itself after a bounded time. The number of records is bounded; a
 * peer without a record counts as healthy.
 */
import { backoffMs } from '../../base/async/retry.ts'
import { tiersLimits } from '../limits.ts'

interface Record {
  failures: number
  /** Consecutive reads in which another source answered first. */
  losses: number
  ejectedUntilMs: number
}

export class PeerHealth {
  readonly #records = new Map<string, Record>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  isEjected(id: string): boolean {
    return (this.#records.get(id)?.ejectedUntilMs ?? 0) > this.#now()
  }

  succeeded(id: string): void {
    this.#records.delete(id)
  }

  /** Returns true if this failure ejected the peer; false if it was ejected before. */
  failed(id: string): boolean {
    const record = this.#recordOf(id)
    const isNew = !this.isEjected(id)
    // Concurrent calls that fail together count once.
    if (!isNew) return false
    record.failures += 1
    record.losses = 0
    record.ejectedUntilMs = this.#now() + ejectionMs(record.failures)
    return true
  }

  /** Another source answered first. Returns true if this ejected the peer. */
  lost(id: string): boolean {
    const record = this.#recordOf(id)
    record.losses += 1
    return record.losses >= tiersLimits.peerLossesInRow && this.failed(id)
  }

  #recordOf(id: string): Record {
    const known = this.#records.get(id)
    if (known !== undefined) return known
    if (this.#records.size >= tiersLimits.peersRemembered) {
      const oldest = this.#records.keys().next()
      if (oldest.done !== true) this.#records.delete(oldest.value)
    }
    const record = { failures: 0, losses: 0, ejectedUntilMs: 0 }
    this.#records.set(id, record)
    return record
  }
}

/** Jitter covers only half of the backoff: an ejection of almost 0 ms would be none. */
function ejectionMs(failures: number): number {
  const bounds = {
    baseMs: tiersLimits.peerEjectionBaseMs / 2,
    maxMs: tiersLimits.peerEjectionMaxMs / 2,
  }
  const due = backoffMs(failures, { ...bounds, random: () => 1 })
  return due + backoffMs(failures, bounds)
}

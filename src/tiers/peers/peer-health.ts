/**
 * Which peers are put aside: one that failed, or was too slow several times in a row, is not asked
 * for a while, and longer each time that it goes on. Its first success clears it.
 *
 * Invariants: a peer comes back by itself, after a bounded time; of how many peers something is
 * remembered is bounded. What is not remembered is well.
 */
import { backoffMs } from '../../base/retry.ts'
import { limits } from '../../limits.ts'

interface Record {
  failures: number
  /** Answers in a row that another source was quicker with. */
  losses: number
  asideUntilMs: number
}

export class PeerHealth {
  readonly #records = new Map<string, Record>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  isAside(id: string): boolean {
    return (this.#records.get(id)?.asideUntilMs ?? 0) > this.#now()
  }

  succeeded(id: string): void {
    this.#records.delete(id)
  }

  /** True: it is put aside by this, and was not before. */
  failed(id: string): boolean {
    const record = this.#recordOf(id)
    const isNew = !this.isAside(id)
    // Failures of calls that were under way together count once.
    if (!isNew) return false
    record.failures += 1
    record.losses = 0
    record.asideUntilMs = this.#now() + asideMs(record.failures)
    return true
  }

  /** Another source was quicker. True: that was once too often, and it is put aside. */
  lost(id: string): boolean {
    const record = this.#recordOf(id)
    record.losses += 1
    return record.losses >= limits.peerLossesInRow && this.failed(id)
  }

  #recordOf(id: string): Record {
    const known = this.#records.get(id)
    if (known !== undefined) return known
    if (this.#records.size >= limits.peersRemembered) {
      const oldest = this.#records.keys().next()
      if (oldest.done !== true) this.#records.delete(oldest.value)
    }
    const record = { failures: 0, losses: 0, asideUntilMs: 0 }
    this.#records.set(id, record)
    return record
  }
}

/** At least half of what is due: a jitter down to nothing would not put anybody aside. */
function asideMs(failures: number): number {
  const bounds = { baseMs: limits.peerAsideBaseMs / 2, maxMs: limits.peerAsideMaxMs / 2 }
  const due = backoffMs(failures, { ...bounds, random: () => 1 })
  return due + backoffMs(failures, bounds)
}

/**
 * Waits until the nodes have applied a change. An operation is answered when every node with a
 * valid metadata lease has applied the change, and so has the node that asked, whether or not its
 * lease is valid.
 */
import type { Session } from './session.ts'

interface Waiter {
  seq: number
  asker: Session | undefined
  resolve: () => void
}

export class Confirmations {
  #waiters: Waiter[] = []

  /** `confirmed`: the last change that all nodes with a valid lease have applied. */
  reached(seq: number, asker: Session | undefined, confirmed: number): Promise<void> {
    if (isServed({ seq, asker }, confirmed)) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ seq, asker, resolve }))
  }

  /** The change that the first waiter waits for; 0 if nobody waits. */
  get oldest(): number {
    return this.#waiters[0]?.seq ?? 0
  }

  wake(confirmedNow: () => number): void {
    if (this.#waiters.length === 0) return
    const confirmed = confirmedNow()
    const woken = this.#waiters.filter((waiter) => isServed(waiter, confirmed))
    if (woken.length === 0) return
    this.#waiters = this.#waiters.filter((waiter) => !isServed(waiter, confirmed))
    for (const { resolve } of woken) resolve()
  }
}

function isServed({ seq, asker }: Omit<Waiter, 'resolve'>, confirmed: number): boolean {
  return seq <= confirmed && (asker === undefined || asker.applied >= seq || asker.hasEnded())
}

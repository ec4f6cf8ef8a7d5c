/**
 * Who waits until the nodes have applied a change: an operation is answered when each node that may
 * believe its copy has it, and the node that asked, whatever becomes of its trust.
 */
import type { Session } from './session.ts'

interface Waiter {
  seq: number
  asker: Session | undefined
  resolve: () => void
}

export class Confirmations {
  #waiters: Waiter[] = []

  /** `confirmed`: the last change that all of them have. */
  reached(seq: number, asker: Session | undefined, confirmed: number): Promise<void> {
    if (isServed({ seq, asker }, confirmed)) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ seq, asker, resolve }))
  }

  /** 0 where nobody waits. */
  get oldest(): number {
    return this.#waiters[0]?.seq ?? 0
  }

  wake(confirmed: number): void {
    const woken = this.#waiters.filter((waiter) => isServed(waiter, confirmed))
    if (woken.length === 0) return
    this.#waiters = this.#waiters.filter((waiter) => !isServed(waiter, confirmed))
    for (const { resolve } of woken) resolve()
  }
}

function isServed({ seq, asker }: Omit<Waiter, 'resolve'>, confirmed: number): boolean {
  return seq <= confirmed && (asker === undefined || asker.applied >= seq || asker.hasEnded())
}

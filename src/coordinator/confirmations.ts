/**
 * Waits until nodes have applied a change. An operation is answered when its followers, nodes that
 * rely on what it changes, have applied the change, and so has the node that asked. A follower
 * whose lease is not valid relies on nothing.
 */
import type { Session } from './session.ts'

interface Waiter {
  seq: number
  /** Followers that had not applied the change when they were last looked at. */
  followers: Session[]
  asker: Session | undefined
  resolve: () => void
}

export class Confirmations {
  #waiters: Waiter[] = []

  reached(seq: number, followers: Iterable<Session>, asker: Session | undefined): Promise<void> {
    const waiter = { seq, followers: [...followers], asker }
    if (isServed(waiter)) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ ...waiter, resolve }))
  }

  /** The change that the first waiter waits for; 0 if nobody waits. */
  get oldest(): number {
    return this.#waiters[0]?.seq ?? 0
  }

  wake(): void {
    if (this.#waiters.length === 0) return
    const served = new Set(this.#waiters.filter(isServed))
    if (served.size === 0) return
    this.#waiters = this.#waiters.filter((waiter) => !served.has(waiter))
    for (const { resolve } of served) resolve()
  }
}

/** Looks at each follower until it has applied the change, so that many cost no more than few. */
function isServed({ seq, followers, asker }: Omit<Waiter, 'resolve'>): boolean {
  if (asker !== undefined && asker.applied < seq && !asker.hasEnded()) return false
  for (let last = followers.at(-1); last !== undefined; last = followers.at(-1)) {
    if (last.applied < seq && last.isCurrent && last.isTrusted) return false
    followers.pop()
  }
  return true
}

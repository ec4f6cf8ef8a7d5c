/**
 * Who may write which file: one node at a time. A node that is given a lease keeps it until another
 * asks; then it is recalled, and comes back with what was written committed. So contents that two
 * nodes write at the same time are never mixed, and appends of both are all there. In memory: nodes
 * claim their leases again when the coordinator was restarted.
 */
import { KeyedMutex } from '../base/keyed-mutex.ts'
import { limits } from '../limits.ts'

export interface LeaseHolder {
  /** The lease is wanted elsewhere. */
  recall(ino: number): void
}

interface Lease {
  holder: LeaseHolder
  /** Resolves when it was given back, or the holder has gone. */
  returned: PromiseWithResolvers<void>
}

export class WriteLeases {
  readonly #leases = new Map<number, Lease>()
  readonly #held = new Map<LeaseHolder, Set<number>>()
  readonly #order = new KeyedMutex<number>()

  /** Those who ask get it in the order of asking. */
  async acquire(ino: number, holder: LeaseHolder, signal?: AbortSignal): Promise<void> {
    using _turn = await this.#order.acquire(ino, signal ? { signal } : undefined)
    const lease = this.#leases.get(ino)
    if (lease?.holder === holder) return
    if (lease) {
      lease.holder.recall(ino)
      await lease.returned.promise
    }
    this.grant(ino, holder)
  }

  /** For who had the lease before; false where another has it by now. */
  reclaim(ino: number, holder: LeaseHolder): boolean {
    const other = this.#leases.get(ino)
    if (other && other.holder !== holder) return false
    this.grant(ino, holder)
    return true
  }

  /** For who made the file: nobody else has it. */
  grant(ino: number, holder: LeaseHolder): void {
    const held = this.#held.get(holder) ?? new Set()
    this.#held.set(holder, held)
    if (held.size >= limits.writeLeases) {
      for (const oldest of held) {
        holder.recall(oldest)
        break
      }
    }
    held.add(ino)
    this.#leases.set(ino, { holder, returned: Promise.withResolvers() })
  }

  giveBack(ino: number, holder: LeaseHolder): void {
    const lease = this.#leases.get(ino)
    if (lease?.holder !== holder) return
    this.#leases.delete(ino)
    this.#held.get(holder)?.delete(ino)
    lease.returned.resolve()
  }

  /** The holder has gone. */
  drop(holder: LeaseHolder): void {
    for (const ino of this.#held.get(holder) ?? []) this.giveBack(ino, holder)
    this.#held.delete(holder)
  }

  get size(): number {
    return this.#leases.size
  }
}

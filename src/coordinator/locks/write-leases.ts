/**
 * Who may write which file: one node at a time. A node that is given a lease keeps it until another
 * asks; then it is recalled, and comes back with what was written committed. So contents that two
 * nodes write at the same time are never mixed, and appends of both are all there. In memory: nodes
 * claim their leases again when the coordinator was restarted.
 */
import { monotonicMs } from '../../base/clock.ts'
import { FsError } from '../../base/fs-error.ts'
import { KeyedMutex } from '../../base/async/keyed-mutex.ts'
import { pause } from '../../base/async/retry.ts'
import { coordinatorLimits } from '../limits.ts'

export interface LeaseHolder {
  /** The lease is wanted elsewhere. */
  recall(ino: number): void
}

interface Lease {
  holder: LeaseHolder
  isRecalled: boolean
  grantedMs: number
  /** Resolves when it was given back, or the holder has gone. */
  returned: PromiseWithResolvers<void>
}

export class WriteLeases {
  readonly #leases = new Map<number, Lease>()
  readonly #held = new Map<LeaseHolder, Set<number>>()
  readonly #order = new KeyedMutex<number>()

  /**
   * Those who ask get it in the order of asking. Who asks does not have it, whatever was believed:
   * the answer that gave it was lost, or it was let go of. `settled`: what the holder before has
   * committed is done. Not after the grant: it would be recalled before it was told of.
   */
  async acquire(ino: number, holder: LeaseHolder, settled: () => Promise<void>): Promise<void> {
    this.giveBack(ino, holder)
    using _turn = await this.#order.acquire(ino)
    do {
      const lease = this.#leases.get(ino)
      if (lease) await this.#callBack(ino, lease)
      await settled()
      // It may have been offered to another meanwhile, who made the file.
    } while ((this.#leases.get(ino)?.holder ?? holder) !== holder)
    this.grant(ino, holder)
  }

  async #callBack(ino: number, lease: Lease): Promise<void> {
    // Otherwise nodes that take it from each other at once would never come to write.
    const leftMs = lease.grantedMs + coordinatorLimits.leaseHoldMs - monotonicMs()
    if (leftMs > 0) await Promise.race([lease.returned.promise, pause(leftMs)])
    if (this.#leases.get(ino) !== lease) return
    lease.isRecalled = true
    lease.holder.recall(ino)
    await lease.returned.promise
  }

  /**
   * For who made the file, or was granted it: true where it has it now. Whoever is told so has to
   * be told before anything else: it could be recalled before that.
   */
  offer(ino: number, holder: LeaseHolder): boolean {
    const lease = this.#leases.get(ino)
    if (lease === undefined) this.grant(ino, holder)
    return lease === undefined || (lease.holder === holder && !lease.isRecalled)
  }

  /** What a holder says that it has, on a new connection: what was said on the last may be lost. */
  resume(holder: LeaseHolder, claimed: readonly number[]): void {
    const held = new Set(claimed)
    for (const ino of this.#held.get(holder) ?? []) if (!held.has(ino)) this.giveBack(ino, holder)
    for (const ino of claimed) this.claim(ino, holder)
  }

  /** A holder believes that it has it. */
  claim(ino: number, holder: LeaseHolder): void {
    const lease = this.#leases.get(ino)
    if (lease === undefined) this.grant(ino, holder)
    // Another has it by now, or waits for it.
    else if (lease.holder !== holder || lease.isRecalled) holder.recall(ino)
  }

  /** ESTALE where another has it: who came back late must not commit over what that one writes. */
  requireNoOther(ino: number, holder: LeaseHolder): void {
    const lease = this.#leases.get(ino)
    if (lease && lease.holder !== holder)
      throw new FsError('ESTALE', 'another node writes the file')
  }

  /** Nobody else has it. */
  grant(ino: number, holder: LeaseHolder): void {
    const held = this.#held.get(holder) ?? new Set()
    this.#held.set(holder, held)
    if (held.size >= coordinatorLimits.writeLeases) {
      for (const oldest of held) {
        holder.recall(oldest)
        break
      }
    }
    held.add(ino)
    this.#leases.set(ino, {
      holder,
      isRecalled: false,
      grantedMs: monotonicMs(),
      returned: Promise.withResolvers(),
    })
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

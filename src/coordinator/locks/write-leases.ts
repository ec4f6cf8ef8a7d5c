/**
 * Write leases: one node at a time may write a file. A node keeps its lease until another node
 * requests it; then the lease is recalled, and the node commits its writes before it returns the
 * lease. Therefore contents that two nodes write at the same time are never mixed, and no append is
 * lost. In memory; after a restart of the coordinator the nodes claim their leases again.
 */
import { monotonicMs } from '../../base/clock.ts'
import { FsError } from '../../base/fs-error.ts'
import { KeyedMutex } from '../../base/async/keyed-mutex.ts'
import { pause } from '../../base/async/retry.ts'
import { coordinatorLimits } from '../limits.ts'

export interface LeaseHolder {
  /** The lease is requested by another node. */
  recall(ino: number): void
}

interface Lease {
  holder: LeaseHolder
  isRecalled: boolean
  grantedMs: number
  /** Resolves when the lease was returned, or the holder has left. */
  returned: PromiseWithResolvers<void>
}

export class WriteLeases {
  readonly #leases = new Map<number, Lease>()
  readonly #held = new Map<LeaseHolder, Set<number>>()
  readonly #order = new KeyedMutex<number>()

  /**
   * Grants the lease in the order of requests. A holder that requests a lease does not have it,
   * whatever is recorded here: the answer with the grant was lost, or it dropped the lease.
   * `settled` resolves when the commits of the previous holder are done. It must not be awaited
   * after the grant: the lease could then be recalled before the holder was informed.
   */
  async acquire(ino: number, holder: LeaseHolder, settled: () => Promise<void>): Promise<void> {
    this.giveBack(ino, holder)
    using _turn = await this.#order.acquire(ino)
    do {
      const lease = this.#leases.get(ino)
      if (lease) await this.#callBack(ino, lease)
      await settled()
      // It may have been offered meanwhile to another node, which created the file.
    } while ((this.#leases.get(ino)?.holder ?? holder) !== holder)
    this.grant(ino, holder)
  }

  async #callBack(ino: number, lease: Lease): Promise<void> {
    // Otherwise nodes that recall it from each other immediately would never get to write.
    const leftMs = lease.grantedMs + coordinatorLimits.leaseHoldMs - monotonicMs()
    if (leftMs > 0) await Promise.race([lease.returned.promise, pause(leftMs)])
    if (this.#leases.get(ino) !== lease) return
    lease.isRecalled = true
    lease.holder.recall(ino)
    await lease.returned.promise
  }

  /**
   * Grants a lease to the node that created the file, or confirms it; true if the holder has it
   * now. The holder must be informed before it is sent anything else, such as a recall.
   */
  offer(ino: number, holder: LeaseHolder): boolean {
    const lease = this.#leases.get(ino)
    if (lease === undefined) this.grant(ino, holder)
    return lease === undefined || (lease.holder === holder && !lease.isRecalled)
  }

  /** Replaces the leases of a holder on a new connection; messages on the last one may be lost. */
  resume(holder: LeaseHolder, claimed: readonly number[]): void {
    const held = new Set(claimed)
    for (const ino of this.#held.get(holder) ?? []) if (!held.has(ino)) this.giveBack(ino, holder)
    for (const ino of claimed) this.claim(ino, holder)
  }

  /** A holder claims a lease; it is recalled if it cannot be granted. */
  claim(ino: number, holder: LeaseHolder): void {
    const lease = this.#leases.get(ino)
    if (lease === undefined) this.grant(ino, holder)
    // Another node has it by now, or waits for it.
    else if (lease.holder !== holder || lease.isRecalled) holder.recall(ino)
  }

  /**
   * ESTALE if another node has the lease: a node that returns late must not overwrite its writes.
   */
  requireNoOther(ino: number, holder: LeaseHolder): void {
    const lease = this.#leases.get(ino)
    if (lease && lease.holder !== holder)
      throw new FsError('ESTALE', 'another node writes the file')
  }

  /** Call only if no other holder has the lease. */
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

  /** Removes a holder that has left. */
  drop(holder: LeaseHolder): void {
    for (const ino of this.#held.get(holder) ?? []) this.giveBack(ino, holder)
    this.#held.delete(holder)
  }

  get size(): number {
    return this.#leases.size
  }
}

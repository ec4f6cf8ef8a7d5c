/**
 * One process of a node as the coordinator sees it: the changes it was sent and has applied, and
 * the end of its metadata lease. A session outlives its connection until the lease ends, so a node
 * that reconnects in time loses nothing.
 *
 * Invariant: a change waits for each node that relies on what it changes (domains/).
 */
import type { WebSocket } from 'ws'
import { monotonicMs } from '../base/clock.ts'
import { coordinatorLimits } from './limits.ts'
import type { EncodedChanges } from './encoded-changes.ts'
import type { PeerRegistration } from '../tiers/peers/peer-status.ts'
import type { DomainUser } from './domains/domain-modes.ts'
import { toWire, type CoordinatorMessage, type Hello } from './link/link-protocol.ts'
import type { LeaseHolder } from './locks/write-leases.ts'

export class Session implements LeaseHolder, DomainUser {
  readonly peer: PeerRegistration
  /** Identifies the process of the node. */
  readonly token: string
  /** Undefined while the node is not connected. */
  socket: WebSocket | undefined
  /** The connection on which the full list of nodes was sent. */
  listedOn: WebSocket | undefined
  /** Number of the last change that the node has applied, and of the last that it was sent. */
  applied: number
  sent: number
  /** The node has had every change, so further changes wait for it. */
  isCurrent = false
  /**
   * The store has recorded that the node may have a valid lease; required before one is granted.
   */
  isKept = false
  /** Work on the store is in progress for this session: one at a time. */
  isBusy = false
  /** Ends when what the node sent of its outbox was run: one message at a time. */
  outbox: Promise<void> = Promise.resolve()
  readonly drops: boolean
  /** It has sent what an earlier session left in its outbox, and may have domains exclusively. */
  mayHold = false
  #isEnded = false
  /**
   * Time of its pending request for renewal, on the node's clock; granted when it has all changes.
   */
  renewalAt: number | undefined
  /** Orphans that the node has open. */
  readonly held = new Set<number>()
  #validUntil = 0
  #lateSince: number | undefined

  constructor({ peer, session, seq, drops }: Hello) {
    this.peer = peer
    this.token = session
    this.drops = drops
    this.applied = seq
    this.sent = seq
  }

  get id(): string {
    return this.peer.id
  }

  /** Whether a change after `seq` may make domains exclusive to it: it must not lag behind. */
  canBeGranted(seq: number): boolean {
    return this.mayHold && this.socket !== undefined && this.sent === seq
  }

  /** Renews the metadata lease, from the time of the request on the node's own clock. */
  renew(): void {
    this.#validUntil = monotonicMs() + coordinatorLimits.linkTtlMs
    const at = this.renewalAt
    this.renewalAt = undefined
    if (at !== undefined) this.send({ kind: 'renewed', at })
  }

  hasEnded(): boolean {
    return this.#isEnded
  }

  end(): void {
    this.#isEnded = true
    this.isCurrent = false
    this.socket?.terminate()
  }

  get isTrusted(): boolean {
    return this.isTrustedAt(monotonicMs())
  }

  isTrustedAt(nowMs: number): boolean {
    return nowMs < this.#validUntil
  }

  /** Whether the node has not applied change `seq` for `linkTtlMs`: its lease is not renewed. */
  isLate(seq: number): boolean {
    if (this.applied >= seq) this.#lateSince = undefined
    else this.#lateSince ??= monotonicMs()
    return (
      this.#lateSince !== undefined && monotonicMs() - this.#lateSince > coordinatorLimits.linkTtlMs
    )
  }

  drop(request: number, domains: readonly number[]): void {
    this.send({ kind: 'drop', request, domains: [...domains] })
  }

  recallDomains(domains: readonly number[]): void {
    this.send({ kind: 'recallDomains', domains: [...domains] })
  }

  /** Requests the node's write lease of the file for another node. */
  recall(ino: number): void {
    this.send({ kind: 'recall', ino })
  }

  send(message: CoordinatorMessage): void {
    if (this.socket !== undefined) this.sendEncoded(toWire(message))
  }

  sendEncoded(message: Uint8Array): void {
    const { socket } = this
    if (socket === undefined) return
    if (socket.bufferedAmount > coordinatorLimits.linkBufferBytes) socket.terminate()
    else socket.send(message)
  }

  sendChanges({ last, message }: EncodedChanges): void {
    this.sent = last
    this.sendEncoded(message)
  }
}

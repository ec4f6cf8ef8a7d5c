/**
 * One node as the coordinator sees it: which changes it was sent and has applied, and until when it
 * may believe its copy of the metadata. Outlives its connection for that long: a node that comes
 * back in time has lost nothing.
 *
 * Invariant: a node that may believe its copy is waited for with every change (coordinator.ts).
 */
import type { WebSocket } from 'ws'
import { monotonicMs } from '../base/clock.ts'
import { coordinatorLimits } from './limits.ts'
import type { Change } from '../metadata/change.ts'
import type { PeerRegistration } from '../tiers/peers/peer-status.ts'
import { toWire, type CoordinatorMessage } from './link/link-protocol.ts'
import type { LeaseHolder } from './locks/write-leases.ts'

export class Session implements LeaseHolder {
  readonly peer: PeerRegistration
  /** Names the process of the node. */
  readonly token: string
  /** Undefined while it is not connected. */
  socket: WebSocket | undefined
  /** The connection on which it was told of all nodes. */
  listedOn: WebSocket | undefined
  /** Last change that it has applied, and last that it was sent. */
  applied: number
  sent: number
  /** It has every change, and is waited for from then on. */
  isCurrent = false
  /** The store knows that it may believe its copy; without that it must not. */
  isKept = false
  /** It is being kept, or read for: once at a time. */
  isBusy = false
  #isEnded = false
  /** When it asked to be trusted, on its own clock; it is told so when it has every change. */
  renewalAt: number | undefined
  /** Orphans that it has open. */
  readonly held = new Set<number>()
  #validUntil = 0
  #lateSince: number | undefined

  constructor(peer: PeerRegistration, token: string, applied: number) {
    this.peer = peer
    this.token = token
    this.applied = applied
    this.sent = applied
  }

  /** It may believe its copy for a while more: from when it asked, on its own clock. */
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
    return monotonicMs() < this.#validUntil
  }

  /** Changes that it was sent long ago are not applied: it is not trusted any longer. */
  isLate(seq: number): boolean {
    if (this.applied >= seq) this.#lateSince = undefined
    else this.#lateSince ??= monotonicMs()
    return (
      this.#lateSince !== undefined && monotonicMs() - this.#lateSince > coordinatorLimits.linkTtlMs
    )
  }

  /** Another node wants to write the file. */
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

  sendChanges(changes: readonly Change[]): void {
    const last = changes.at(-1)
    if (last === undefined) return
    this.sent = last.seq
    this.send({ kind: 'changes', changes: [...changes] })
  }
}

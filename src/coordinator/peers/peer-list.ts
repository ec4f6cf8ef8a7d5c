/**
 * A node's list of the nodes in its cluster, from the coordinator's messages: a full list after
 * each connection, and changes from then on.
 *
 * Invariant: a node is in at most one of the two lists.
 */
import type { AwayPeer, PeerStatus } from '../../tiers/peers/peer-status.ts'
import type { CoordinatorMessage } from '../link/link-protocol.ts'

export class PeerList {
  readonly #peers = new Map<string, PeerStatus>()
  readonly #away = new Map<string, AwayPeer>()
  /** Made once for all readers. */
  peers: readonly PeerStatus[] = []
  away: readonly AwayPeer[] = []

  take({ whole, peers, away }: CoordinatorMessage & { kind: 'peers' }): void {
    if (whole) {
      this.#peers.clear()
      this.#away.clear()
    }
    for (const peer of away) {
      this.#peers.delete(peer.id)
      this.#away.set(peer.id, peer)
    }
    for (const peer of peers) {
      this.#away.delete(peer.id)
      this.#peers.set(peer.id, peer)
    }
    this.peers = byId(this.#peers)
    this.away = [...this.#away.values()]
  }
}

function byId(peers: ReadonlyMap<string, PeerStatus>): PeerStatus[] {
  return [...peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

/**
 * A node's view of its cluster: the state of its link to the coordinator, and the nodes that the
 * coordinator has reported. A node with an embedded coordinator has no such view.
 */
import type { AwayPeer, PeerStatus } from '../../tiers/peers/peer-status.ts'

export interface ClusterView {
  /** Id of this node. */
  readonly self: string
  /** The current list; while the coordinator is unreachable, the list from the last contact. */
  peers(): PeerStatus[]
  /** Nodes that were online and no longer are. */
  away(): AwayPeer[]
  readonly coordinator: CoordinatorState
}

export interface CoordinatorState {
  url: string
  connected: boolean
  /** Why the coordinator refuses this node; undefined: it does not. */
  refusal: string | undefined
  /** Start of the current state. */
  since: Date
}

/**
 * What a node knows of the cluster that it is part of: its link to the coordinator, and the nodes
 * that the coordinator told it of. A node with an embedded coordinator has no such view.
 */
import type { AwayPeer, PeerStatus } from '../../tiers/peers/peer-status.ts'

export interface ClusterView {
  /** Id of this node. */
  readonly self: string
  /** As far as is known at present: without a coordinator, as they were when it was last there. */
  peers(): PeerStatus[]
  /** Nodes that were there, and are not any more. */
  away(): AwayPeer[]
  readonly coordinator: CoordinatorState
}

export interface CoordinatorState {
  url: string
  connected: boolean
  /** Why it lets this node in no more; undefined: it does. */
  refusal: string | undefined
  /** When that began. */
  since: Date
}

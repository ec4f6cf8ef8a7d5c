/**
 * What a node knows of the cluster that it is part of: its link to the coordinator, and the nodes
 * that the coordinator told it of. A node with an embedded coordinator has no such view.
 */
import type { PeerStatus } from '../tiers/peers/peer-status.ts'

export interface ClusterView {
  /** Id of this node. */
  readonly self: string
  /** As far as is known at present: without a coordinator, as they were when it was last there. */
  peers(): PeerStatus[]
  readonly coordinator: CoordinatorState
}

export interface CoordinatorState {
  url: string
  connected: boolean
  /** When that began. */
  since: Date
}

/** What does not work, as a sentence; undefined where nothing is wrong. */
export function clusterProblem({ coordinator }: ClusterView): string | undefined {
  const { url, connected, since } = coordinator
  if (connected) return undefined
  return `the coordinator ${url} has not been reachable since ${since.toISOString()}`
}

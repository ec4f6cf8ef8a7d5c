/**
 * What all nodes are together: for statistics and metrics. Silent ones count as they last were.
 */
import type { PeerReport, PeerStatus } from '../../tiers/peers/peer-status.ts'

/** The oldest backlog is that of any node, all else the sum. */
export interface ClusterTotals extends Omit<PeerReport, 'health'> {
  peers: number
  silentPeers: number
}

export function clusterTotals(peers: readonly PeerStatus[]): ClusterTotals {
  const sum = (name: Summed): number => peers.reduce((total, peer) => total + peer[name], 0)
  return {
    peers: peers.length,
    silentPeers: peers.filter(({ state }) => state === 'silent').length,
    capacityBytes: sum('capacityBytes'),
    usedBytes: sum('usedBytes'),
    hits: sum('hits'),
    misses: sum('misses'),
    peerHits: sum('peerHits'),
    peerBytes: sum('peerBytes'),
    cloudReads: sum('cloudReads'),
    cloudBytes: sum('cloudBytes'),
    backlogBytes: sum('backlogBytes'),
    backlogAgeMs: Math.max(0, ...peers.map(({ backlogAgeMs }) => backlogAgeMs)),
  }
}

type Summed = Exclude<keyof ClusterTotals, 'peers' | 'silentPeers' | 'backlogAgeMs'>

/** Of reads, those that were answered at once; null where there were none. */
export function hitRatio({ hits, misses }: { hits: number; misses: number }): number | null {
  return hits + misses === 0 ? null : hits / (hits + misses)
}

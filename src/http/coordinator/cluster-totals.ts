/**
 * Sums over all registered nodes, for statistics and metrics. Silent nodes count with their last
 * report.
 */
import type { PeerReport, PeerStatus } from '../../tiers/peers/peer-status.ts'

/** `backlogAgeMs` is the maximum over all nodes; every other field is a sum. */
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

/** Fraction of reads that were cache hits; null if there were no reads. */
export function hitRatio({ hits, misses }: { hits: number; misses: number }): number | null {
  return hits + misses === 0 ? null : hits / (hits + misses)
}

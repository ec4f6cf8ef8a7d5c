/**
 * What nodes know of each other: who is there, where, and how it is doing. The coordinator keeps it
 * (coordinator/peer-registry.ts), nodes and people ask for it.
 */

/** What a node says of itself when it comes. */
export interface PeerRegistration {
  /** Unique among the nodes of a coordinator; a node keeps its own across restarts. */
  id: string
  /** Where other nodes reach its API. */
  url: string
  capacityBytes: number
  version: string
}

/** What it says every few seconds. Counters are since its start. */
export interface PeerReport {
  /** Degraded: it works, but something it needs does not (the cloud, for one). */
  health: 'ok' | 'degraded'
  usedBytes: number
  capacityBytes: number
  /** Reads of a chunk that was on its NVMe, and that was not. */
  hits: number
  misses: number
  /** Of the misses: answered by another node, and by the cloud. */
  peerHits: number
  peerBytes: number
  cloudReads: number
  cloudBytes: number
  /** Not in the cloud yet. */
  backlogBytes: number
  /** How long the oldest of it has been waiting. */
  backlogAgeMs: number
}

/** A node that was there, and is not any more. */
export interface AwayPeer {
  id: string
  url: string
  /** When it was last heard of; ISO 8601. */
  since: string
}

export interface PeerStatus extends PeerRegistration, PeerReport {
  /** Silent: not heard of for a while, and soon not listed any more. */
  state: 'ok' | 'degraded' | 'silent'
  /** ISO 8601. */
  registeredAt: string
  /** Since it was last heard of, ms. */
  silentMs: number
}

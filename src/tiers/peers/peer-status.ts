/**
 * Membership and status of nodes: which are live, at which address, and in what state. The
 * coordinator keeps it (coordinator/peers/peer-registry.ts) and serves it to nodes and operators.
 */

/** What a node sends when it registers. */
export interface PeerRegistration {
  /** Unique among the nodes of a coordinator; stays the same across restarts. */
  id: string
  /** URL at which other nodes reach its API. */
  url: string
  capacityBytes: number
  version: string
}

/** What a node reports every few seconds. Counters start at 0 when the node starts. */
export interface PeerReport {
  /** Degraded: the node works, but something that it needs does not (for example, the cloud). */
  health: 'ok' | 'degraded'
  usedBytes: number
  capacityBytes: number
  /** Chunk reads that found the chunk on the NVMe of the node, and chunk reads that did not. */
  hits: number
  misses: number
  /** Misses served by another node, and by the cloud. */
  peerHits: number
  peerBytes: number
  cloudReads: number
  cloudBytes: number
  /** Bytes pending upload. */
  backlogBytes: number
  /** Age of the oldest pending upload. */
  backlogAgeMs: number
}

/** A node that has gone offline. */
export interface AwayPeer {
  id: string
  url: string
  /** Time of its last report, ISO 8601. */
  since: string
}

export interface PeerStatus extends PeerRegistration, PeerReport {
  /** Silent: has not reported for a while and will soon be dropped from the list. */
  state: 'ok' | 'degraded' | 'silent'
  /** ISO 8601. */
  registeredAt: string
  /** Time since its last report, ms. */
  silentMs: number
}

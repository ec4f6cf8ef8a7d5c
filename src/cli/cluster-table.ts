/**
 * Formats the cluster for `cachefs status`: a line with the state of the coordinator, a table with
 * one row per node (space, hit ratios, backlog), and one line per offline node.
 */
import { hitRatio } from '../http/coordinator/cluster-totals.ts'
import type { AwayPeer, PeerStatus } from '../tiers/peers/peer-status.ts'
import { formatSize } from '../options/size.ts'

/** Field `cluster` of a node's status. */
export interface ClusterAnswer {
  self: string
  coordinator: { url: string; connected: boolean; since: string }
  peers: PeerStatus[]
  /** Undefined in the response of an older node. */
  away?: AwayPeer[]
}

const HEADINGS = ['node', 'state', 'used', 'capacity', 'hits', 'from peers', 'backlog', 'api']

export function clusterLines({ self, coordinator, peers, away = [] }: ClusterAnswer): string[] {
  const { url, connected, since } = coordinator
  const rows = [HEADINGS, ...peers.map((peer) => rowOf(peer, peer.id === self))]
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)).join('  '))
  return [
    `coordinator ${url}: ${connected ? 'connected' : 'away'} since ${since}`,
    ...lines.map((line) => line.trimEnd()),
    ...away.map(({ id, url, since }) => `${id.padEnd(widths[0]!)}  away since ${since}  ${url}`),
  ]
}

function rowOf(peer: PeerStatus, isSelf: boolean): string[] {
  const { id, state, usedBytes, capacityBytes, misses, peerHits, url } = peer
  return [
    isSelf ? `${id} (this)` : id,
    state === 'silent' ? `silent ${seconds(peer.silentMs)}` : state,
    formatSize(usedBytes),
    formatSize(capacityBytes),
    percent(hitRatio(peer)),
    percent(misses === 0 ? null : Math.min(1, peerHits / misses)),
    backlogOf(peer),
    url,
  ]
}

function backlogOf({ backlogBytes, backlogAgeMs }: PeerStatus): string {
  if (backlogBytes === 0) return 'none'
  return `${formatSize(backlogBytes)}, ${seconds(backlogAgeMs)}`
}

function percent(share: number | null): string {
  return share === null ? '-' : `${Math.round(share * 100)} %`
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}

/**
 * Where a chunk that is not here can be had, the best source first:
 *
 * 1. nodes that hold it, the only ones while the cloud does not have it;
 * 2. its home among the live nodes, which gets it from the cloud once for all, or has it already;
 * 3. the cloud: at once where this node is the home, else when the others fail or are late.
 *
 * Without peers: the cloud. The cloud stays last also for what it need not have yet: it may have it
 * all the same, a moment before the metadata says so.
 */
import type { Source } from '../tiers/peers/hedged-read.ts'
import type { Peer } from '../tiers/peers/peer-directory.ts'
import type { Asked, PeersTier, WantedChunk } from '../tiers/peers/peers-tier.ts'
import { limits } from '../limits.ts'
import type { CommittedChunk } from './chunk-index.ts'

export interface SourcesOptions {
  ino: number
  reference: CommittedChunk
  peers: PeersTier | undefined
  fromCloud: (signal: AbortSignal) => Promise<Buffer>
}

export function sourcesOf(options: SourcesOptions): Source<Buffer>[] {
  const { ino, reference, peers, fromCloud } = options
  const cloud = { patienceMs: Infinity, read: fromCloud }
  if (peers === undefined) return [cloud]
  const { index, id, objectLength, crc, durable } = reference
  const chunk = { ino, index, id, length: objectLength, crc }
  const holders = peers.among(reference.holders)
  // While it is nowhere else every holder is worth a try, also one that was put aside.
  const asked = durable
    ? holders.filter((peer) => !peers.isAside(peer)).slice(0, limits.peerHoldersAsked)
    : holders
  const home = durable ? peers.home(chunk) : undefined
  const plan: [Peer, Asked][] = asked
    .filter((peer) => peer.id !== home?.id)
    .map((peer) => [peer, 'holder'])
  if (home !== undefined) plan.push([home, 'home'])
  const sources = plan.map(([peer, how], at): Source<Buffer> => {
    const next = at + 1 < plan.length ? 'peer' : 'cloud'
    const patienceMs = !durable && next === 'cloud' ? Infinity : peers.patienceMs(how, next)
    return peerSource(peers, peer, chunk, how, patienceMs)
  })
  return [...sources, cloud]
}

function peerSource(
  peers: PeersTier,
  peer: Peer,
  chunk: WantedChunk,
  how: Asked,
  patienceMs: number,
): Source<Buffer> {
  return {
    patienceMs,
    read: (signal) => peers.read(peer, chunk, how, signal),
    onFailure: (error) => peers.noteFailure(peer, error),
    onLost: () => peers.noteLost(peer),
  }
}

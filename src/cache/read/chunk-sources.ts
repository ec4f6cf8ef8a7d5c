/**
 * The sources of an absent chunk, the best first:
 *
 * 0. the replica on this node;
 * 1. nodes that have it; until it is durable, they are the only ones;
 * 2. its owner among the online nodes, which has it or fetches it from the cloud once for all;
 * 3. the cloud: at once if this node is the owner, else when the others fail or are slow.
 *
 * Without peers, the cloud is the only source. It is last even for a chunk that is not durable: it
 * may have the chunk a moment before the metadata records that.
 */
import { FsError } from '../../base/fs-error.ts'
import { cacheLimits } from '../limits.ts'
import type { Source } from '../../tiers/peers/hedged-read.ts'
import type { Peer } from '../../tiers/peers/peer-directory.ts'
import type { Asked, PeersTier, WantedChunk } from '../../tiers/peers/peers-tier.ts'
import type { CommittedChunk } from '../state/chunk-index.ts'
import type { ChunkReplicas } from '../replicas/chunk-replicas.ts'

/** The sources that a node in a cluster has besides its cache and the cloud. */
export interface Cluster {
  peers: PeersTier
  held: ChunkReplicas
}

export interface SourcesOptions {
  ino: number
  reference: CommittedChunk
  cluster: Cluster | undefined
  /** Puts the chunk into the cache, and returns its bytes if they may be of use. */
  fromCloud: (signal: AbortSignal) => Promise<Buffer | undefined>
}

/** A source returns the bytes, or undefined if it has put them into the cache. */
export function sourcesOf(options: SourcesOptions): Source<Buffer | undefined>[] {
  const { ino, reference, cluster, fromCloud } = options
  const cloud = { patienceMs: Infinity, read: fromCloud }
  if (cluster === undefined) return [cloud]
  const { peers, held } = cluster
  const { index, id, objectLength, crc, durable } = reference
  const chunk = { ino, index, id, length: objectLength, crc }
  const holders = peers.among(reference.holders)
  // Until the chunk is durable every holder is tried, even ejected ones.
  const asked = durable
    ? holders.filter((peer) => !peers.isEjected(peer)).slice(0, cacheLimits.peerHoldersAsked)
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
  // Without a checksum in the metadata, the replica may come from anybody who has the key of the
  // API, unless this node is a listed holder.
  const isVouched = crc !== null || reference.holders.split(',').includes(peers.directory.self)
  return [...(isVouched && held.has(id) ? [heldSource(held, chunk)] : []), ...sources, cloud]
}

function heldSource(held: ChunkReplicas, chunk: WantedChunk): Source<Buffer> {
  const read = async (): Promise<Buffer> => {
    const data = await held.read(chunk)
    if (data !== undefined) return data
    throw new FsError('ENOENT', `the copy of chunk ${chunk.id} that was held here is gone`)
  }
  return { patienceMs: Infinity, read }
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

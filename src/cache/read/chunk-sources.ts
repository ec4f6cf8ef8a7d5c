/**
 * Where a chunk that is not here can be had, the best source first:
 *
 * 0. the copy that this node holds for a peer;
 * 1. nodes that hold it, the only ones while the cloud does not have it;
 * 2. its home among the live nodes, which gets it from the cloud once for all, or has it already;
 * 3. the cloud: at once where this node is the home, else when the others fail or are late.
 *
 * Without peers: the cloud. The cloud stays last also for what it need not have yet: it may have it
 * all the same, a moment before the metadata says so.
 */
import { FsError } from '../../base/fs-error.ts'
import { cacheLimits } from '../limits.ts'
import type { Source } from '../../tiers/peers/hedged-read.ts'
import type { Peer } from '../../tiers/peers/peer-directory.ts'
import type { Asked, PeersTier, WantedChunk } from '../../tiers/peers/peers-tier.ts'
import type { CommittedChunk } from '../state/chunk-index.ts'
import type { ChunkReplicas } from '../replicas/chunk-replicas.ts'

/** What a node in a cluster has beside its cache and the cloud. */
export interface Cluster {
  peers: PeersTier
  held: ChunkReplicas
}

export interface SourcesOptions {
  ino: number
  reference: CommittedChunk
  cluster: Cluster | undefined
  /** Into the cache, and given as well where it may be of use. */
  fromCloud: (signal: AbortSignal) => Promise<Buffer | undefined>
}

/** Sources give the bytes, or have put them into the cache. */
export function sourcesOf(options: SourcesOptions): Source<Buffer | undefined>[] {
  const { ino, reference, cluster, fromCloud } = options
  const cloud = { patienceMs: Infinity, read: fromCloud }
  if (cluster === undefined) return [cloud]
  const { peers, held } = cluster
  const { index, id, objectLength, crc, durable } = reference
  const chunk = { ino, index, id, length: objectLength, crc }
  const holders = peers.among(reference.holders)
  // While it is nowhere else every holder is worth a try, also one that was put aside.
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
  // What nobody vouches for, anybody who has the key may have put here.
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

/**
 * The other nodes as a tier: selects the peers that may have a chunk, reads from one, and sends
 * replicas. Tracks which peers are ejected (peer-health.ts) and how fast they usually respond.
 *
 * Invariants: the directory is read anew for each call, so a peer that has left is not used again.
 * Returned data was checked against the CRC-32 of the chunk if that is known, else against the one
 * that the peer sent. Main thread only.
 */
import { throwIfAborted } from '../../base/async/abort.ts'
import { codeOf, describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { tiersLimits } from '../limits.ts'
import type { ChunkAddress } from './chunk-address.ts'
import { DamagedCopy } from './chunk-headers.ts'
import { LatencyWindow } from './latency-window.ts'
import type { PeerClient } from './peer-client.ts'
import type { Peer, PeerDirectory } from './peer-directory.ts'
import { PeerHealth } from './peer-health.ts'
import { ownerOf } from './rendezvous.ts'
import { shuffled } from './shuffle.ts'

/**
 * Role in which a peer is read from. Holder: it returns the chunk if it has it. Home: as owner of
 * the chunk, it reads it from the cloud if it does not have it.
 */
export type Asked = 'holder' | 'home'

/** A chunk to read, with what the metadata has about it. */
export interface WantedChunk extends ChunkAddress {
  /** Length of the whole object in bytes. */
  length: number
  /** CRC-32 of the object; null if not known yet. */
  crc: number | null
}

export interface CopyOptions {
  /** Number of replicas to store. */
  copies: number
  crc: number
  /** Ids of nodes to leave out: they have the chunk already. */
  except?: readonly string[] | undefined
  signal?: AbortSignal | undefined
}

export interface PeersTierOptions {
  directory: PeerDirectory
  client: PeerClient
  logger: Logger
  /** Replaces the measured patience, for tests. */
  patienceMs?: number | undefined
}

export class PeersTier {
  readonly directory: PeerDirectory
  readonly #client: PeerClient
  readonly #logger: Logger
  readonly #patienceMs: number | undefined
  readonly #health = new PeerHealth()
  readonly #latencies = { holder: new LatencyWindow(), home: new LatencyWindow() }
  /** Counters since the start. */
  readChunks = 0
  readBytes = 0
  failures = 0
  damagedCopies = 0
  lostReads = 0
  sentChunks = 0
  sentBytes = 0

  constructor({ directory, client, logger, patienceMs }: PeersTierOptions) {
    this.directory = directory
    this.#client = client
    this.#logger = logger
    this.#patienceMs = patienceMs
  }

  /** Live peers among `ids` (comma separated) in random order, ejected ones last. */
  among(ids: string): Peer[] {
    if (ids === '') return []
    const wanted = new Set(ids.split(','))
    const found = shuffled(this.directory.peers().filter(({ id }) => wanted.has(id)))
    const ejected = found.filter(({ id }) => this.#health.isEjected(id))
    return [...found.filter((peer) => !ejected.includes(peer)), ...ejected]
  }

  isEjected(peer: Peer): boolean {
    return this.#health.isEjected(peer.id)
  }

  /**
   * Live peers that are not ejected. All nodes that ejected a peer choose the same next owner for
   * its chunks.
   */
  usable(): Peer[] {
    return this.directory.peers().filter((peer) => !this.isEjected(peer))
  }

  /** The owner of the chunk, which fetches it once for all nodes; undefined if it is this node. */
  home({ ino, index }: Pick<ChunkAddress, 'ino' | 'index'>): Peer | undefined {
    const { self } = this.directory
    const usable = this.usable()
    const id = ownerOf(`${ino}/${index}`, [self, ...usable.map((peer) => peer.id)])
    return usable.find((peer) => peer.id === id)
  }

  /**
   * Time in ms after which a second source is read in parallel: the 95th percentile of response
   * times, and twice that if the second source is the cloud; otherwise one read in twenty would be
   * paid twice.
   */
  patienceMs(asked: Asked, next: 'peer' | 'cloud'): number {
    if (this.#patienceMs !== undefined) return this.#patienceMs
    const usual = this.#latencies[asked].p95()
    if (usual === undefined) return tiersLimits.peerHedgeUnknownMs
    const [least, factor] =
      next === 'cloud' ? [tiersLimits.peerHedgeCloudMinMs, 2] : [tiersLimits.peerHedgeMinMs, 1]
    return Math.min(tiersLimits.peerHedgeMaxMs, Math.max(least, usual * factor))
  }

  /** Throws ENOENT if the peer does not have the chunk. */
  async read(peer: Peer, chunk: WantedChunk, asked: Asked, signal: AbortSignal): Promise<Buffer> {
    const startedMs = performance.now()
    const { length, crc } = chunk
    const home = asked === 'home'
    const data = await this.#client.get(peer, chunk, { length, crc, home, signal })
    this.#latencies[asked].add(performance.now() - startedMs)
    this.#health.succeeded(peer.id)
    this.readChunks += 1
    this.readBytes += data.length
    return data
  }

  /**
   * Asks the owner of a chunk to read it from the cloud ahead of demand. A hint: failures are
   * logged.
   */
  prepare(peer: Peer, chunk: ChunkAddress): void {
    this.#client.prepare(peer, chunk).catch((error: unknown) => {
      this.#logger.debug(`prefetch hint to peer ${peer.id} failed: ${describe(error)}`)
    })
  }

  /** Records a failure of `read`. A chunk that the peer does not have is no failure. */
  noteFailure(peer: Peer, error: unknown): void {
    if ((error as { code?: unknown }).code === 'ENOENT') return
    this.failures += 1
    const isDamaged = error instanceof DamagedCopy
    if (isDamaged) this.damagedCopies += 1
    const isEjected = this.#health.failed(peer.id)
    const level = isDamaged ? 'error' : isEjected ? 'warn' : 'debug'
    const then = isEjected ? '; the peer is ejected for a while' : ''
    this.#logger[level](`read from peer ${peer.id} failed: ${describe(error)}${then}`)
  }

  /** Another source answered before this peer. */
  noteLost(peer: Peer): void {
    this.lostReads += 1
    if (!this.#health.lost(peer.id)) return
    this.#logger.warn(`peer ${peer.id} is slow: the peer is ejected for a while`)
  }

  /**
   * Stores replicas of a chunk on peers picked at random, ejected ones last. Returns the ids of the
   * peers that accepted it; fewer than `copies` if not enough did.
   */
  async copy(chunk: ChunkAddress, data: Uint8Array, options: CopyOptions): Promise<string[]> {
    const { copies, crc, except = [], signal } = options
    const others = shuffled(this.directory.peers()).filter(({ id }) => !except.includes(id))
    const ejected = others.filter((peer) => this.isEjected(peer))
    const queue = [...others.filter((peer) => !ejected.includes(peer)), ...ejected]
    const taken: string[] = []
    const fill = async (): Promise<void> => {
      for (let peer = queue.shift(); peer !== undefined; peer = queue.shift()) {
        if (!(await this.#send(peer, chunk, data, { crc, signal }))) continue
        taken.push(peer.id)
        return
      }
    }
    await Promise.all(Array.from({ length: copies }, fill))
    throwIfAborted(signal, 'storing replicas of a chunk on peers')
    return taken
  }

  async #send(
    peer: Peer,
    chunk: ChunkAddress,
    data: Uint8Array,
    options: { crc: number; signal: AbortSignal | undefined },
  ): Promise<boolean> {
    if (options.signal?.aborted) return false
    try {
      await this.#client.put(peer, chunk, data, options)
    } catch (error) {
      // A full peer is still a good source for reads, so this is no failure of the peer.
      const isFull = codeOf(error) === 'ENOSPC'
      if (isFull) this.#logger.debug(`peer ${peer.id} accepts no replica: ${describe(error)}`)
      else if (!options.signal?.aborted) this.noteFailure(peer, error)
      return false
    }
    this.sentChunks += 1
    this.sentBytes += data.length
    return true
  }

  close(): void {
    this.#client.close()
  }
}

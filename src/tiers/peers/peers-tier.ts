/**
 * The other nodes as a place where bytes are: who may have a chunk, asking one of them, and giving
 * them copies. Keeps an eye on how they answer: which are put aside (peer-health.ts), and how long
 * a usual answer takes.
 *
 * Invariants: the directory is asked anew each time, so a peer that left is not asked again; what
 * this returns was checked against the chunk's CRC-32 where that is known, else against the
 * sender's. Main thread.
 */
import { throwIfAborted } from '../../base/abort.ts'
import { codeOf, describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/logger.ts'
import { limits } from '../../limits.ts'
import type { ChunkAddress } from './chunk-address.ts'
import { DamagedCopy } from './chunk-headers.ts'
import { LatencyWindow } from './latency-window.ts'
import type { PeerClient } from './peer-client.ts'
import type { Peer, PeerDirectory } from './peer-directory.ts'
import { PeerHealth } from './peer-health.ts'
import { homeOf } from './rendezvous.ts'
import { shuffled } from './shuffle.ts'

/** How a peer is asked: for what it has, or as the home that is to get it. */
export type Asked = 'holder' | 'home'

/** What the caller knows of a chunk that it wants. */
export interface WantedChunk extends ChunkAddress {
  /** Bytes of the whole object. */
  length: number
  /** Its CRC-32; null where it is not known yet. */
  crc: number | null
}

export interface CopyOptions {
  /** How many peers are to have it. */
  copies: number
  crc: number
  /** Ids of nodes that need not be asked: they have it. */
  except?: readonly string[] | undefined
  signal?: AbortSignal | undefined
}

export interface PeersTierOptions {
  directory: PeerDirectory
  client: PeerClient
  logger: Logger
  /** Instead of what is usual, for tests. */
  patienceMs?: number | undefined
}

export class PeersTier {
  readonly directory: PeerDirectory
  readonly #client: PeerClient
  readonly #logger: Logger
  readonly #patienceMs: number | undefined
  readonly #health = new PeerHealth()
  readonly #latencies = { holder: new LatencyWindow(), home: new LatencyWindow() }
  /** Since the start. */
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

  /** Live peers among `ids` (comma separated), in any order; those put aside come last. */
  among(ids: string): Peer[] {
    if (ids === '') return []
    const wanted = new Set(ids.split(','))
    const found = shuffled(this.directory.peers().filter(({ id }) => wanted.has(id)))
    const aside = found.filter(({ id }) => this.#health.isAside(id))
    return [...found.filter((peer) => !aside.includes(peer)), ...aside]
  }

  isAside(peer: Peer): boolean {
    return this.#health.isAside(peer.id)
  }

  /** Live peers that answer. Whom everybody has put aside has the same successor for everybody. */
  usable(): Peer[] {
    return this.directory.peers().filter((peer) => !this.isAside(peer))
  }

  /** The peer that fetches this chunk for all; undefined: this node does. */
  home({ ino, index }: Pick<ChunkAddress, 'ino' | 'index'>): Peer | undefined {
    const { self } = this.directory
    const usable = this.usable()
    const id = homeOf(`${ino}/${index}`, [self, ...usable.map((peer) => peer.id)])
    return usable.find((peer) => peer.id === id)
  }

  /**
   * So long, ms, an answer may take before a second source is asked as well: longer than nearly all
   * do, and twice that where it would be the cloud, which one in twenty reads would else pay twice.
   */
  patienceMs(asked: Asked, next: 'peer' | 'cloud'): number {
    if (this.#patienceMs !== undefined) return this.#patienceMs
    const usual = this.#latencies[asked].p95()
    if (usual === undefined) return limits.peerHedgeUnknownMs
    const [least, factor] =
      next === 'cloud' ? [limits.peerHedgeCloudMinMs, 2] : [limits.peerHedgeMinMs, 1]
    return Math.min(limits.peerHedgeMaxMs, Math.max(least, usual * factor))
  }

  /** ENOENT: the peer does not have it. */
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

  /** Lets a home get a chunk from the cloud before somebody asks for it; a hint, no more. */
  prepare(peer: Peer, chunk: ChunkAddress): void {
    this.#client.prepare(peer, chunk).catch((error: unknown) => {
      this.#logger.debug(`peer ${peer.id} was not told what to get ready: ${describe(error)}`)
    })
  }

  /** What is to happen when `read` fails. Not having a chunk is no failure. */
  noteFailure(peer: Peer, error: unknown): void {
    if ((error as { code?: unknown }).code === 'ENOENT') return
    this.failures += 1
    const isDamaged = error instanceof DamagedCopy
    if (isDamaged) this.damagedCopies += 1
    const isAside = this.#health.failed(peer.id)
    const level = isDamaged ? 'error' : isAside ? 'warn' : 'debug'
    const then = isAside ? '; it is put aside for a while' : ''
    this.#logger[level](`peer ${peer.id} failed: ${describe(error)}${then}`)
  }

  /** Another source was quicker than this peer. */
  noteLost(peer: Peer): void {
    this.lostReads += 1
    if (!this.#health.lost(peer.id)) return
    this.#logger.warn(`peer ${peer.id} is slow: it is put aside for a while`)
  }

  /**
   * Gives peers, picked at random, a copy to hold: as many as asked for, if there are enough that
   * take it. Returns the ids of those that did.
   */
  async copy(chunk: ChunkAddress, data: Uint8Array, options: CopyOptions): Promise<string[]> {
    const { copies, crc, except = [], signal } = options
    const others = shuffled(this.directory.peers()).filter(({ id }) => !except.includes(id))
    const aside = others.filter((peer) => this.isAside(peer))
    const queue = [...others.filter((peer) => !aside.includes(peer)), ...aside]
    const taken: string[] = []
    const fill = async (): Promise<void> => {
      for (let peer = queue.shift(); peer !== undefined; peer = queue.shift()) {
        if (!(await this.#give(peer, chunk, data, { crc, signal }))) continue
        taken.push(peer.id)
        return
      }
    }
    await Promise.all(Array.from({ length: copies }, fill))
    throwIfAborted(signal, 'copying a chunk to peers')
    return taken
  }

  async #give(
    peer: Peer,
    chunk: ChunkAddress,
    data: Uint8Array,
    options: { crc: number; signal: AbortSignal | undefined },
  ): Promise<boolean> {
    if (options.signal?.aborted) return false
    try {
      await this.#client.put(peer, chunk, data, options)
    } catch (error) {
      // A peer that is full still gives what it has.
      const isFull = codeOf(error) === 'ENOSPC'
      if (isFull) this.#logger.debug(`peer ${peer.id} takes no copy: ${describe(error)}`)
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

/**
 * Fetches chunks to this node from a replica, from a node that has it, from its owner (the node
 * that fetches it from the cloud for all), or from the cloud. A chunk is fetched once however many
 * readers wait, a bounded number at the same time, and checked against length and CRC-32 before any
 * of its bytes can be read. A chunk that was written, cut or committed again in the meantime is not
 * changed. Runs on the main thread.
 *
 * Invariant: an owner serves a chunk from its cache or the cloud, never from a third node. Nodes
 * that disagree about the owner cost a second cloud read, not a circle. For the same reason, cloud
 * reads have a memory bound of their own.
 */
import { crc32 } from 'node:zlib'
import { BufferPool } from '../../base/buffer-pool.ts'
import { FsError, codeOf, describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { retry } from '../../base/async/retry.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import { SingleFlight } from '../../base/async/single-flight.ts'
import { cacheLimits } from '../limits.ts'
import type { ChunkAddress } from '../../tiers/peers/chunk-address.ts'
import { hedgedRead } from '../../tiers/peers/hedged-read.ts'
import type { TierStorage } from '../../tiers/tier-storage.ts'
import type { CommittedChunk } from '../state/chunk-index.ts'
import { sourcesOf, type Cluster } from './chunk-sources.ts'
import type { Evictor } from '../space/evictor.ts'
import { LostError } from '../checks/lost-chunks.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { LostChunkTable } from '../checks/lost-chunk-table.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { CurrentContent } from '../state/current-content.ts'
import type { ChunkPromotion } from './chunk-promotion.ts'
import { RangeReader, type ChunkRange } from './range-reader.ts'
import { UnreadableObject, UnreadableObjects } from './unreadable-objects.ts'
import { chunkKey } from '../upload/object-key.ts'
import type { ChunkReader } from './chunk-reader.ts'

export interface FetcherParts {
  settings: CacheSettings
  shared: SharedState
  chunks: ChunkTable
  lostTable: LostChunkTable
  index: ChunkIndex
  content: CurrentContent
  promotion: ChunkPromotion
  chunkReader: ChunkReader
}

export class Fetcher {
  readonly #parts: FetcherParts
  readonly #cloud: TierStorage
  readonly #evictor: Evictor
  readonly #logger: Logger
  readonly #failures: RepeatedLog
  readonly #cluster: Cluster | undefined
  readonly #ranges: RangeReader
  readonly #flights = new SingleFlight<string, void>()
  readonly #memory = new Semaphore(cacheLimits.downloadBufferBytes)
  /** Part of it, for chunks that nobody waits for yet. */
  readonly #aheadMemory = new Semaphore(cacheLimits.readaheadBufferBytes)
  readonly #cloudFlights = new SingleFlight<string, Buffer | undefined>()
  readonly #buffers: BufferPool
  readonly unreadable: UnreadableObjects
  readonly #cloudMemory = new Semaphore(cacheLimits.cloudBufferBytes)
  /** Fetched since the start for readers on this node, from any source. */
  fetchedChunks = 0
  fetchedBytes = 0
  #cloudChunks = 0
  #cloudBytes = 0

  /** Without a cluster the cloud is the only source. */
  constructor(
    parts: FetcherParts,
    cloud: TierStorage,
    evictor: Evictor,
    logger: Logger,
    cluster?: Cluster,
  ) {
    this.#parts = parts
    this.#cloud = cloud
    this.#evictor = evictor
    this.#logger = logger
    this.#failures = new RepeatedLog(logger)
    this.#cluster = cluster
    this.#ranges = new RangeReader(cloud, logger)
    this.unreadable = new UnreadableObjects(parts.index)
    this.#buffers = new BufferPool(parts.settings.chunkSize)
  }

  /** Fetches chunks `first` to `last` in parallel. Chunks on this node, and holes, cost nothing. */
  async fetch(ino: number, first: number, last: number, signal?: AbortSignal): Promise<void> {
    if (this.#isPassed(ino)) {
      await this.#fetchAll(ino, signal)
      return
    }
    const indexes = Array.from({ length: last - first + 1 }, (_, at) => first + at)
    await Promise.all(indexes.map((index) => this.fetchChunk(ino, index, false, signal)))
  }

  /**
   * Call when another node has changed the file: fetches its new content if the kernel reads it.
   */
  renew(ino: number): void {
    if (!this.#isPassed(ino)) return
    this.#fetchAll(ino).catch((error: unknown) => {
      this.#logger.debug(`renewing inode ${ino}: ${describe(error)}`)
    })
  }

  #isPassed(ino: number): boolean {
    const { shared } = this.#parts
    if (!shared.mayBeOpen(ino)) return false
    return shared.withInode(ino, () => (shared.findOpen(ino)?.backing ?? 0) !== 0)
  }

  /**
   * In order: the backing file grows with each chunk, and a passthrough reader must find no gaps.
   */
  #fetchAll(ino: number, signal?: AbortSignal): Promise<void> {
    const next = (from: number): number | undefined => {
      return this.#parts.shared.withInode(ino, () => this.#parts.content.firstAbsent(ino, from))
    }
    const work = async (all: AbortSignal): Promise<void> => {
      for (let at = next(0); at !== undefined; at = next(at)) {
        await this.fetchChunk(ino, at, false, all)
      }
    }
    return this.#flights.run(`${ino}/all`, work, { signal })
  }

  /** `ahead`: nobody waits for the chunk yet. */
  fetchChunk(ino: number, index: number, ahead: boolean, signal?: AbortSignal): Promise<void> {
    if (this.#absent(ino, index) === undefined) return Promise.resolve()
    const work = (all: AbortSignal): Promise<void> => this.#fetch(ino, index, ahead, all)
    return this.#flights.run(`${ino}/${index}`, work, { signal })
  }

  /**
   * Reads a few bytes of an absent chunk without fetching it. Undefined: that has no advantage, or
   * a peer has the chunk, so it is to be fetched. `offset`: in the file.
   */
  async readRange(
    ino: number,
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<ChunkRange | undefined> {
    const { chunkSize } = this.#parts.settings
    const index = Math.floor(offset / chunkSize)
    const reference = this.#absent(ino, index)
    if (reference === undefined || this.#flights.has(`${ino}/${index}`)) return undefined
    if (this.#cluster && this.#cluster.peers.among(reference.holders).length > 0) return undefined
    const wanted = { ino, offset: offset - index * chunkSize, length }
    const data = await this.#ranges.read(reference, wanted, signal)
    return data && { id: reference.id, offset, data }
  }

  /**
   * For peers, as the owner of this chunk: fetches it from the cloud once for all requests, and
   * caches it. Undefined: the metadata of this node has no such chunk, or it is not durable.
   */
  async fetchAsOwner(chunk: ChunkAddress, signal?: AbortSignal): Promise<Buffer | undefined> {
    const { ino, index, id } = chunk
    const reference = this.#parts.index.find(ino, index)
    if (reference?.id !== id || !reference.durable) return undefined
    return await this.#fromCloud(ino, reference, Date.now(), signal)
  }

  /** Number of online nodes that fetch for each other, this one included. */
  get nodes(): number {
    const peers = this.#cluster?.peers.usable().length ?? 0
    return Math.min(cacheLimits.readaheadNodes, 1 + peers)
  }

  /**
   * Requests the owner of a chunk to fetch it from the cloud for later readers. If the owner is
   * busy or fails, the readers fetch it themselves.
   */
  prepare(ino: number, index: number): void {
    const reference = this.#absent(ino, index)
    if (reference?.durable !== true) return
    const { id, objectLength: length, crc } = reference
    const chunk = { ino, index, id, length, crc }
    const home = this.#cluster?.peers.home(chunk)
    if (home === undefined) this.prepareAsOwner(chunk)
    else this.#cluster?.peers.prepare(home, chunk)
  }

  /**
   * As `fetchAsOwner`, before anybody waits: only if enough memory is left for requests that do.
   */
  prepareAsOwner(chunk: ChunkAddress): void {
    const room = this.#cloudMemory.free - this.#parts.settings.chunkSize
    if (this.#cloudMemory.waiting > 0 || room < cacheLimits.unpreparedBufferBytes) return
    this.fetchAsOwner(chunk).catch((error: unknown) => {
      const { ino, index } = chunk
      this.#logger.debug(`getting chunk ${index} of inode ${ino} ready: ${describe(error)}`)
    })
  }

  /**
   * Totals since the start, by tier. The cloud reads are for readers on this node, and for peers.
   */
  tierStats(): Record<string, number> {
    const peers = this.#cluster?.peers
    return {
      peerChunks: peers?.readChunks ?? 0,
      peerBytes: peers?.readBytes ?? 0,
      peerFailures: peers?.failures ?? 0,
      damagedPeerCopies: peers?.damagedCopies ?? 0,
      slowPeerReads: peers?.lostReads ?? 0,
      cloudChunks: this.#cloudChunks,
      cloudRanges: this.#ranges.ranges,
      cloudBytes: this.#cloudBytes + this.#ranges.bytes,
    }
  }

  /** Reference of a chunk that is not on this node. */
  #absent(ino: number, index: number): CommittedChunk | undefined {
    return this.#parts.shared.withInode(ino, () => {
      if (this.#parts.chunks.find(ino, index)) return undefined
      return this.#parts.content.reference(ino, index)
    })
  }

  async #fetch(ino: number, index: number, ahead: boolean, signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + cacheLimits.holderWaitMs
    for (;;) {
      try {
        await retry(() => this.#attempt(ino, index, ahead, signal), {
          attempts: cacheLimits.downloadAttempts,
          signal,
          retryable: (error) => codeOf(error) !== 'EACCES' && !(error instanceof LostError),
        })
        return
      } catch (error) {
        if (!signal.aborted && performance.now() <= untilMs && this.#mayCome(ino, index)) continue
        if (error instanceof UnreadableObject) this.unreadable.add(error)
        throw error
      }
    }
  }

  /**
   * Whether only other nodes have the chunk and one of them may return, for example after a
   * restart.
   */
  #mayCome(ino: number, index: number): boolean {
    const reference = this.#absent(ino, index)
    if (reference === undefined || reference.durable) return false
    return (this.#cluster?.peers.among(reference.holders).length ?? 0) > 0
  }

  async #attempt(ino: number, index: number, ahead: boolean, signal: AbortSignal): Promise<void> {
    const reference = this.#absent(ino, index)
    if (reference === undefined) return
    this.#requireCopy(ino, reference)
    const weight = Math.max(1, reference.objectLength)
    using _ahead = ahead ? await this.#aheadMemory.acquire(weight, { signal }) : undefined
    using _memory = await this.#memory.acquire(weight, { signal })
    const accessed = ahead ? 0 : Date.now()
    const fromCloud = (all: AbortSignal): Promise<Buffer | undefined> =>
      this.#fromCloud(ino, reference, accessed, all)
    const sources = sourcesOf({ ino, reference, cluster: this.#cluster, fromCloud })
    const data = await hedgedRead(sources, signal)
    if (data) await this.#keep(ino, reference, data, accessed)
    this.fetchedChunks += 1
    this.fetchedBytes += reference.objectLength
  }

  /** Throws LostError if only this node had the chunk and has lost it: no other copy exists. */
  #requireCopy(ino: number, { index, id, durable, holders }: CommittedChunk): void {
    if (durable || this.#parts.shared.counter('lostChunks') === 0) return
    if (this.#cluster && this.#cluster.peers.among(holders).length > 0) return
    const lost = this.#parts.lostTable.find(ino, index)
    if (lost?.id === id) throw new LostError(lost)
  }

  /**
   * Reads a chunk from the cloud once for all concurrent requests, and caches it before the next
   * request. Undefined: it is only in the cache, because there are no peers, and its buffer is
   * reused.
   */
  #fromCloud(
    ino: number,
    reference: CommittedChunk,
    accessed: number,
    signal?: AbortSignal,
  ): Promise<Buffer | undefined> {
    const { index, id } = reference
    const key = chunkKey(ino, index, id)
    const work = async (all: AbortSignal): Promise<Buffer | undefined> => {
      const here = await this.#parts.chunkReader.load({ ino, index, id })
      if (here !== undefined) return here
      const weight = Math.max(1, reference.objectLength)
      using _memory = await this.#cloudMemory.acquire(weight, { signal: all })
      const isWhole = reference.objectLength === this.#parts.settings.chunkSize
      using borrowed = !this.#cluster && isWhole ? this.#buffers.take() : undefined
      const data = await this.#download({ ino, index, id }, reference, all, borrowed?.memory)
      await this.#keep(ino, reference, data, accessed)
      return borrowed ? undefined : data
    }
    return this.#cloudFlights.run(key, work, { signal })
  }

  async #download(
    chunk: ChunkAddress,
    reference: CommittedChunk,
    signal: AbortSignal,
    into: Buffer | undefined,
  ): Promise<Buffer> {
    const key = chunkKey(chunk.ino, chunk.index, chunk.id)
    let data: Buffer
    try {
      data = await this.#cloud.read(key, { signal, into, unchecked: reference.crc !== null })
    } catch (error) {
      if (signal.aborted) throw error
      // A chunk that only nodes have is requested from the cloud last, in case it was uploaded.
      if (reference.durable) this.#failures.warn('read', describe(error))
      else this.#logger.debug(describe(error))
      throw this.#unreadable(chunk, reference, error)
    }
    this.#cloudChunks += 1
    this.#cloudBytes += data.length
    // Without a CRC-32 in the metadata, the tier has checked the one stored with the object, if
    // any.
    const crc = reference.crc === null ? null : crc32(data)
    if (data.length === reference.objectLength && crc === reference.crc) {
      this.unreadable.delete(chunk.id)
      return data
    }
    const found = `${data.length} bytes with CRC-32 ${crc ?? 'unknown'}`
    const wanted = `${reference.objectLength} bytes with ${reference.crc ?? 'any'}`
    this.#logger.error(`${key} in ${this.#cloud.name} is damaged: ${found}, not ${wanted}`)
    throw new UnreadableObject(chunk, `chunk ${key} in ${this.#cloud.name} is damaged`)
  }

  #unreadable(chunk: ChunkAddress, { durable, holders }: CommittedChunk, cause: unknown): FsError {
    const where = this.#cloud.name
    if (durable || holders === '') {
      // The error of the tier names the object and the reason. Its code is dropped: an absent
      // object is not an absent file.
      const why = describe(cause).replace(/^E[A-Z]+: /, '')
      const isAbsent = durable && codeOf(cause) === 'ENOENT'
      return isAbsent ? new UnreadableObject(chunk, why) : new FsError('EIO', why)
    }
    const key = chunkKey(chunk.ino, chunk.index, chunk.id)
    const message =
      `chunk ${key} is not in ${where} yet, and no node that has it (${holders}) answers: ` +
      'start that node again'
    return new FsError('EIO', message, { cause })
  }

  async #keep(
    ino: number,
    reference: CommittedChunk,
    data: Buffer,
    accessed: number,
  ): Promise<void> {
    if (this.#parts.chunks.find(ino, reference.index)) return
    await this.#evictor.makeRoom(reference.length)
    this.#parts.promotion.promote(ino, reference, data, accessed)
  }
}

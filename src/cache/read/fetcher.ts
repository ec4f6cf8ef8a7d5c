/**
 * Brings chunks to this node, from the node that holds them, from their home (the peer that gets
 * them from the cloud for all), or from the cloud: once per chunk however many ask, a bounded
 * number at the same time, checked against length and CRC-32 before a byte of them can be read. A
 * chunk that was written, cut or committed anew meanwhile is left alone. Runs on the main thread.
 *
 * Invariant: what a peer asks its home for comes from that node's cache or from the cloud, never
 * from a third node: nodes that disagree about who is home cost a second read, not a circle. For
 * the same reason what is read from the cloud has a bound in memory of its own.
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
import { ChunkReader } from './chunk-reader.ts'
import { promoteChunk } from './chunk-promotion.ts'
import { sourcesOf, type Cluster } from './chunk-sources.ts'
import type { Evictor } from '../space/evictor.ts'
import { validReference } from './file-reader.ts'
import { LostError } from '../checks/lost-chunks.ts'
import { firstAbsent } from '../passthrough/passthrough.ts'
import type { NodeCache } from '../state/node-cache.ts'
import { RangeReader, type ChunkRange } from './range-reader.ts'
import { chunkKey } from '../upload/object-key.ts'

export class Fetcher {
  readonly #cache: NodeCache
  readonly #cloud: TierStorage
  readonly #evictor: Evictor
  readonly #logger: Logger
  readonly #failures: RepeatedLog
  readonly #cluster: Cluster | undefined
  readonly #loader: ChunkReader
  readonly #ranges: RangeReader
  readonly #flights = new SingleFlight<string, void>()
  readonly #memory = new Semaphore(cacheLimits.downloadBufferBytes)
  /** Of that, for what nobody waits for yet. */
  readonly #aheadMemory = new Semaphore(cacheLimits.readaheadBufferBytes)
  readonly #cloudFlights = new SingleFlight<string, Buffer | undefined>()
  readonly #buffers: BufferPool
  readonly #cloudMemory = new Semaphore(cacheLimits.cloudBufferBytes)
  /** Since the start, from wherever, for readers here. */
  fetchedChunks = 0
  fetchedBytes = 0
  #cloudChunks = 0
  #cloudBytes = 0

  /** Without a cluster the cloud is the only source. */
  constructor(
    cache: NodeCache,
    cloud: TierStorage,
    evictor: Evictor,
    logger: Logger,
    cluster?: Cluster,
  ) {
    this.#cache = cache
    this.#cloud = cloud
    this.#evictor = evictor
    this.#logger = logger
    this.#failures = new RepeatedLog(logger)
    this.#cluster = cluster
    this.#loader = new ChunkReader(cache)
    this.#ranges = new RangeReader(cloud, logger)
    this.#buffers = new BufferPool(cache.settings.chunkSize)
  }

  /** Chunks `first` to `last`, in parallel; those that are here, or holes, cost nothing. */
  async fetch(ino: number, first: number, last: number, signal?: AbortSignal): Promise<void> {
    if (this.#isPassed(ino)) {
      await this.#fetchAll(ino, signal)
      return
    }
    const indexes = Array.from({ length: last - first + 1 }, (_, at) => first + at)
    await Promise.all(indexes.map((index) => this.fetchChunk(ino, index, false, signal)))
  }

  /** Another node has changed a file; where the kernel reads it, its bytes become those. */
  renew(ino: number): void {
    if (!this.#isPassed(ino)) return
    this.#fetchAll(ino).catch((error: unknown) => {
      this.#logger.debug(`renewing inode ${ino}: ${describe(error)}`)
    })
  }

  #isPassed(ino: number): boolean {
    const { shared } = this.#cache
    if (!shared.mayBeOpen(ino)) return false
    return shared.withInode(ino, () => (shared.findOpen(ino)?.backing ?? 0) !== 0)
  }

  /** In order: the file grows with what comes, and who reads it must find no gaps. */
  #fetchAll(ino: number, signal?: AbortSignal): Promise<void> {
    const next = (from: number): number | undefined => {
      return this.#cache.shared.withInode(ino, () => firstAbsent(this.#cache, ino, from))
    }
    const work = async (all: AbortSignal): Promise<void> => {
      for (let at = next(0); at !== undefined; at = next(at)) {
        await this.fetchChunk(ino, at, false, all)
      }
    }
    return this.#flights.run(`${ino}/all`, work, { signal })
  }

  /** `ahead`: nobody asked for it yet. */
  fetchChunk(ino: number, index: number, ahead: boolean, signal?: AbortSignal): Promise<void> {
    if (this.#absent(ino, index) === undefined) return Promise.resolve()
    const work = (all: AbortSignal): Promise<void> => this.#fetch(ino, index, ahead, all)
    return this.#flights.run(`${ino}/${index}`, work, { signal })
  }

  /**
   * A few bytes of a chunk that is not here, without the rest of it; undefined: nothing is gained
   * by that, or a peer has it: the chunk is to be fetched. `offset`: in the file.
   */
  async readRange(
    ino: number,
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<ChunkRange | undefined> {
    const { chunkSize } = this.#cache.settings
    const index = Math.floor(offset / chunkSize)
    const reference = this.#absent(ino, index)
    if (reference === undefined || this.#flights.has(`${ino}/${index}`)) return undefined
    if (this.#cluster && this.#cluster.peers.among(reference.holders).length > 0) return undefined
    const wanted = { ino, offset: offset - index * chunkSize, length }
    const data = await this.#ranges.read(reference, wanted, signal)
    return data && { id: reference.id, offset, data }
  }

  /**
   * For a peer whose home of this chunk we are: from the cloud, once for all who ask, and kept.
   * undefined: the metadata here knows no such content at that place, or the cloud has it not yet.
   */
  async fetchAsOwner(chunk: ChunkAddress, signal?: AbortSignal): Promise<Buffer | undefined> {
    const { ino, index, id } = chunk
    const reference = this.#cache.index.find(ino, index)
    if (reference?.id !== id || !reference.durable) return undefined
    return await this.#fromCloud(ino, reference, Date.now(), signal)
  }

  /** Live nodes that fetch for each other, this one among them. */
  get nodes(): number {
    const peers = this.#cluster?.peers.usable().length ?? 0
    return Math.min(cacheLimits.readaheadNodes, 1 + peers)
  }

  /**
   * Has the home of a chunk get it from the cloud, for readers to come; not where that home is busy
   * enough, or fails: then they ask for themselves.
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

  /** As fetchHome, for nobody yet: only where there is room enough for those who wait. */
  prepareAsOwner(chunk: ChunkAddress): void {
    const room = this.#cloudMemory.free - this.#cache.settings.chunkSize
    if (this.#cloudMemory.waiting > 0 || room < cacheLimits.unpreparedBufferBytes) return
    this.fetchAsOwner(chunk).catch((error: unknown) => {
      const { ino, index } = chunk
      this.#logger.debug(`getting chunk ${index} of inode ${ino} ready: ${describe(error)}`)
    })
  }

  /** Since the start, by tier; from the cloud: for readers here, and for peers. */
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

  /** The reference of a chunk that is not here. */
  #absent(ino: number, index: number): CommittedChunk | undefined {
    return this.#cache.shared.withInode(ino, () => {
      if (this.#cache.database.chunk(ino, index)) return undefined
      return validReference(this.#cache, ino, index)
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
        if (signal.aborted || performance.now() > untilMs || !this.#mayCome(ino, index)) throw error
      }
    }
  }

  /** Only other nodes have it, and one of them is expected back: it starts again, perhaps. */
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

  /** Of what only this node had, and has lost, there is no other copy to ask for. */
  #requireCopy(ino: number, { index, id, durable, holders }: CommittedChunk): void {
    if (durable || this.#cache.shared.counter('lostChunks') === 0) return
    if (this.#cluster && this.#cluster.peers.among(holders).length > 0) return
    const lost = this.#cache.database.lostChunk(ino, index)
    if (lost?.id === id) throw new LostError(lost)
  }

  /**
   * Read once for all who ask at the same time, and in the cache before the next one asks.
   * Undefined: only there, since there are no peers to give it to, and its memory is used again.
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
      const here = await this.#loader.load({ ino, index, id })
      if (here !== undefined) return here
      const weight = Math.max(1, reference.objectLength)
      using _memory = await this.#cloudMemory.acquire(weight, { signal: all })
      const isWhole = reference.objectLength === this.#cache.settings.chunkSize
      using borrowed = !this.#cluster && isWhole ? this.#buffers.take() : undefined
      const data = await this.#download(key, reference, all, borrowed?.memory)
      await this.#keep(ino, reference, data, accessed)
      return borrowed ? undefined : data
    }
    return this.#cloudFlights.run(key, work, { signal })
  }

  async #download(
    key: string,
    reference: CommittedChunk,
    signal: AbortSignal,
    into: Buffer | undefined,
  ): Promise<Buffer> {
    let data: Buffer
    try {
      data = await this.#cloud.read(key, { signal, into, unchecked: reference.crc !== null })
    } catch (error) {
      if (signal.aborted) throw error
      // What only nodes have is asked for here last, on the chance.
      if (reference.durable) this.#failures.warn('read', describe(error))
      else this.#logger.debug(describe(error))
      throw this.#unreadable(key, reference, error)
    }
    this.#cloudChunks += 1
    this.#cloudBytes += data.length
    // Not known yet: it was checked against the one that is stored with it, if any.
    const crc = reference.crc === null ? null : crc32(data)
    if (data.length === reference.objectLength && crc === reference.crc) return data
    const found = `${data.length} bytes with CRC-32 ${crc ?? 'unknown'}`
    const wanted = `${reference.objectLength} bytes with ${reference.crc ?? 'any'}`
    this.#logger.error(`${key} in ${this.#cloud.name} is damaged: ${found}, not ${wanted}`)
    throw new FsError('EIO', `chunk ${key} in ${this.#cloud.name} is damaged`)
  }

  #unreadable(key: string, { durable, holders }: CommittedChunk, cause: unknown): FsError {
    const where = this.#cloud.name
    if (durable || holders === '') {
      // The tier has said which object, where and why; that it is missing is no missing file.
      return new FsError('EIO', describe(cause).replace(/^E[A-Z]+: /, ''))
    }
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
    if (this.#cache.database.chunk(ino, reference.index)) return
    await this.#evictor.makeRoom(reference.length)
    promoteChunk(this.#cache, ino, reference, data, accessed)
  }
}

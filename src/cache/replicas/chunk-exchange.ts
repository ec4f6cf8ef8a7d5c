/**
 * Serves peers: sends chunks of this node, fetches chunks from the cloud as their owner, and stores
 * replicas of chunks that are not durable.
 *
 * Invariant: bytes that do not match the CRC-32 in the metadata are not sent; the damaged chunk
 * leaves the cache, and the next fetch replaces it.
 */
import { crc32 } from 'node:zlib'
import type { Logger } from '../../base/log/logger.ts'
import type { ChunkAddress } from '../../tiers/peers/chunk-address.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import type { Evictor } from '../space/evictor.ts'
import type { Fetcher } from '../read/fetcher.ts'
import type { ChunkReplicas } from './chunk-replicas.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'

export interface ChunkExchangeParts {
  settings: CacheSettings
  files: BackingFiles
  index: ChunkIndex
  chunkReader: ChunkReader
  fetcher: Fetcher
  evictor: Evictor
  held: ChunkReplicas
  logger: Logger
}

export interface SentChunk {
  data: Buffer
  crc: number
}

export class ChunkExchange {
  readonly #parts: ChunkExchangeParts
  /** Sent to peers since the start. */
  servedChunks = 0
  servedBytes = 0

  constructor(parts: ChunkExchangeParts) {
    this.#parts = parts
  }

  /** Bytes of the largest chunk. */
  get chunkSize(): number {
    return this.#parts.settings.chunkSize
  }

  /**
   * `home`: fetch the chunk from the cloud if it is absent. Undefined: this node cannot send it.
   */
  async read(
    chunk: ChunkAddress,
    { home, signal }: { home: boolean; signal?: AbortSignal | undefined },
  ): Promise<SentChunk | undefined> {
    const { fetcher, held } = this.#parts
    const found =
      (await this.#cached(chunk)) ??
      withCrc(await held.read(chunk)) ??
      (home ? withCrc(await fetcher.fetchAsOwner(chunk, signal)) : undefined)
    if (found === undefined) return undefined
    this.servedChunks += 1
    this.servedBytes += found.data.length
    return found
  }

  /** A hint that the chunk will be requested; it may be ignored. */
  prepare(chunk: ChunkAddress): void {
    this.#parts.fetcher.prepareAsOwner(chunk)
  }

  /** As ChunkReplicas.hold. */
  async hold(chunk: ChunkAddress, data: Buffer, crc: number): Promise<void> {
    await this.#parts.held.hold(chunk, data, crc)
  }

  async #cached(chunk: ChunkAddress): Promise<SentChunk | undefined> {
    const { chunkReader, evictor, logger } = this.#parts
    const { ino, index, id } = chunk
    const found = withCrc(await chunkReader.load(chunk))
    if (found === undefined) return undefined
    const reference = this.#parts.index.find(ino, index)
    const wanted = reference?.id === id ? reference.crc : null
    if (wanted === null || found.crc === wanted) return found
    logger.error(`chunk ${index} of ${this.#parts.files.path(ino)} is damaged: it is fetched again`)
    evictor.evictChunk(ino, index)
    return undefined
  }
}

function withCrc(data: Buffer | undefined): SentChunk | undefined {
  return data && { data, crc: crc32(data) }
}

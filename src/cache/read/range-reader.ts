/**
 * Reads parts of absent chunks from the cloud, for readers that need only a few bytes: the first
 * bytes of a large file come without the rest of their chunk, and random reads do not fetch whole
 * files. The bytes are checked (`TierStorage.readRange`) and not cached. A chunk that is read like
 * this repeatedly is fetched. Main thread.
 */
import { LRUCache } from 'lru-cache'
import { codeOf, describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { cacheLimits } from '../limits.ts'
import type { TierStorage } from '../../tiers/tier-storage.ts'
import type { CommittedChunk } from '../state/chunk-index.ts'
import { chunkKey } from '../upload/object-key.ts'

/** Bytes of one content of a chunk, as returned to a reader. */
export interface ChunkRange {
  /** Chunk id of the content. */
  id: number
  /** In the file. */
  offset: number
  data: Buffer
}

export interface WantedRange {
  ino: number
  /** In the chunk. */
  offset: number
  length: number
}

export class RangeReader {
  readonly #cloud: TierStorage
  readonly #logger: Logger
  /** Bytes read from each chunk, by chunk id. */
  readonly #given = new LRUCache<number, number>({ max: cacheLimits.rangedChunks })
  /** Since the start. */
  ranges = 0
  bytes = 0

  constructor(cloud: TierStorage, logger: Logger) {
    this.#cloud = cloud
    this.#logger = logger
  }

  /** Undefined: this has no advantage for the chunk, or failed; the chunk is to be fetched. */
  async read(
    reference: CommittedChunk,
    { ino, offset, length }: WantedRange,
    signal?: AbortSignal,
  ): Promise<Buffer | undefined> {
    const { id, index, objectLength: size, durable } = reference
    const wanted = Math.min(length, reference.length - offset)
    if (!durable || wanted <= 0 || wanted > size / cacheLimits.rangeShare) return undefined
    const given = (this.#given.get(id) ?? 0) + wanted
    this.#given.set(id, given)
    if (given > size / cacheLimits.rangeShare) return undefined
    const key = chunkKey(ino, index, id)
    try {
      const data = await this.#cloud.readRange?.(key, { offset, length: wanted, size, signal })
      this.ranges += 1
      this.bytes += data?.length ?? 0
      return data
    } catch (error) {
      const isOld = codeOf(error) === 'EOPNOTSUPP'
      if (!isOld) this.#logger.debug(`a part of ${key}: ${describe(error)}`)
      return undefined
    }
  }
}

/**
 * Brings chunks from the cloud to this node: once per chunk however many ask, a bounded number at
 * the same time, checked against length and CRC-32 before a byte of them can be read. A chunk that
 * was written, cut or committed anew meanwhile is left alone. Runs on the main thread.
 */
import { crc32 } from 'node:zlib'
import { FsError, codeOf, describe } from '../base/fs-error.ts'
import type { Logger } from '../base/logger.ts'
import { retry } from '../base/retry.ts'
import { Semaphore } from '../base/semaphore.ts'
import { SingleFlight } from '../base/single-flight.ts'
import { limits } from '../limits.ts'
import type { TierStorage } from '../tiers/tier-storage.ts'
import type { CommittedChunk } from './chunk-index.ts'
import type { Evictor } from './evictor.ts'
import { validReference } from './file-reader.ts'
import { CLEAN } from './node-database.ts'
import type { NodeCache } from './node-cache.ts'
import { chunkKey } from './object-key.ts'

export class Fetcher {
  readonly #cache: NodeCache
  readonly #cloud: TierStorage
  readonly #evictor: Evictor
  readonly #logger: Logger
  readonly #flights = new SingleFlight<string, void>()
  readonly #memory = new Semaphore(limits.downloadBufferBytes)
  fetchedChunks = 0
  fetchedBytes = 0

  constructor(cache: NodeCache, cloud: TierStorage, evictor: Evictor, logger: Logger) {
    this.#cache = cache
    this.#cloud = cloud
    this.#evictor = evictor
    this.#logger = logger
  }

  /** Chunks `first` to `last`, in parallel; those that are here, or holes, cost nothing. */
  async fetch(ino: number, first: number, last: number, signal?: AbortSignal): Promise<void> {
    const indexes = Array.from({ length: last - first + 1 }, (_, at) => first + at)
    await Promise.all(indexes.map((index) => this.fetchChunk(ino, index, false, signal)))
  }

  /** `ahead`: nobody asked for it yet. */
  fetchChunk(ino: number, index: number, ahead: boolean, signal?: AbortSignal): Promise<void> {
    if (this.#absent(ino, index) === undefined) return Promise.resolve()
    const work = (all: AbortSignal): Promise<void> => this.#fetch(ino, index, ahead, all)
    return this.#flights.run(`${ino}/${index}`, work, { signal })
  }

  /** The reference of a chunk that is not here. */
  #absent(ino: number, index: number): CommittedChunk | undefined {
    return this.#cache.shared.withInode(ino, () => {
      if (this.#cache.database.chunk(ino, index)) return undefined
      return validReference(this.#cache, ino, index)
    })
  }

  async #fetch(ino: number, index: number, ahead: boolean, signal: AbortSignal): Promise<void> {
    await retry(() => this.#attempt(ino, index, ahead, signal), {
      attempts: limits.downloadAttempts,
      signal,
      retryable: (error) => codeOf(error) !== 'EACCES',
    })
  }

  async #attempt(ino: number, index: number, ahead: boolean, signal: AbortSignal): Promise<void> {
    const reference = this.#absent(ino, index)
    if (reference === undefined) return
    using _memory = await this.#memory.acquire(Math.max(1, reference.objectLength), { signal })
    const key = chunkKey(ino, index, reference.id)
    const data = await this.#download(key, reference, signal)
    await this.#evictor.makeRoom(reference.length)
    this.#store(ino, index, reference, data, ahead)
  }

  async #download(key: string, reference: CommittedChunk, signal: AbortSignal): Promise<Buffer> {
    let data: Buffer
    try {
      data = await this.#cloud.read(key, { signal })
    } catch (error) {
      if (signal.aborted) throw error
      this.#logger.warn(`reading ${key} from ${this.#cloud.name} failed: ${describe(error)}`)
      throw new FsError('EIO', `chunk ${key} cannot be read from ${this.#cloud.name}`, {
        cause: error,
      })
    }
    const crc = crc32(data)
    if (data.length === reference.objectLength && crc === reference.crc) return data
    const found = `${data.length} bytes with CRC-32 ${crc}`
    const wanted = `${reference.objectLength} bytes with ${reference.crc}`
    this.#logger.error(`${key} in ${this.#cloud.name} is damaged: ${found}, not ${wanted}`)
    throw new FsError('EIO', `chunk ${key} in ${this.#cloud.name} is damaged`)
  }

  #store(
    ino: number,
    index: number,
    reference: CommittedChunk,
    data: Buffer,
    ahead: boolean,
  ): void {
    const { shared, database, files, settings } = this.#cache
    shared.withInode(ino, () => {
      if (database.chunk(ino, index)) return
      const current = validReference(this.#cache, ino, index)
      if (current?.id !== reference.id) return
      files.write(ino, data.subarray(0, current.length), index * settings.chunkSize)
      const accessed = ahead ? 0 : Date.now()
      const row = { index, state: CLEAN, id: current.id, length: current.length, accessed }
      database.transaction(() => {
        database.putChunk(ino, row)
      })
      shared.occupy(current.length)
    })
    this.fetchedChunks += 1
    this.fetchedBytes += data.length
  }
}

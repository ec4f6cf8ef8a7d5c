/**
 * Write-back: takes committed chunks from the journal, oldest first, and puts them into the cloud.
 * A chunk is read once into memory, its CRC-32 taken, and that buffer sent; if the chunk was
 * written again meanwhile, the set-aside copy is sent, and if it was committed again, nothing.
 * Failures are tried again for ever, ever more slowly; the journal is on disk, so nothing is lost
 * by a restart.
 *
 * Runs on the main thread. In memory: a bounded number of chunks, whatever the backlog.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { describe } from '../base/fs-error.ts'
import type { Logger } from '../base/logger.ts'
import { AttemptRate, retry } from '../base/retry.ts'
import { Semaphore, type Permit } from '../base/semaphore.ts'
import { limits } from '../limits.ts'
import type { TierStorage } from '../tiers/tier-storage.ts'
import { removeAsides } from './aside-files.ts'
import { ChunkLoader } from './chunk-loader.ts'
import { CLEAN, PENDING, type Upload } from './node-database.ts'
import type { NodeCache } from './node-cache.ts'
import { chunkKey } from './object-key.ts'
import type { Progress } from './progress.ts'

/** Where it is noted that the cloud has a chunk: the metadata, here or elsewhere. */
export interface DurableMarks {
  /** False where the content is another by now. */
  durable(ino: number, index: number, id: number, crc: number): boolean | Promise<boolean>
  /** An object that nothing refers to: to be deleted. */
  discard(ino: number, index: number, id: number): void | Promise<void>
}

export interface UploaderParts {
  cache: NodeCache
  cloud: TierStorage
  marks: DurableMarks
  progress: Progress
  logger: Logger
}

export class Uploader {
  readonly #cache: NodeCache
  readonly #cloud: TierStorage
  readonly #loader: ChunkLoader
  readonly #logger: Logger
  readonly #progress: Progress
  readonly #marks: DurableMarks
  readonly #places = new Semaphore(limits.uploads)
  readonly #memory = new Semaphore(limits.uploadBufferBytes)
  readonly #rate = new AttemptRate(limits.failedUploadsPerMinute)
  readonly #stop = new AbortController()
  #cursor = 0
  #hurried = 0
  #running: Promise<void> | undefined
  /** Since when the cloud fails, and why; undefined while it works. */
  failure: { since: Date; reason: string } | undefined
  uploadedChunks = 0
  uploadedBytes = 0

  constructor({ cache, cloud, marks, progress, logger }: UploaderParts) {
    this.#cache = cache
    this.#cloud = cloud
    this.#loader = new ChunkLoader(cache)
    this.#progress = progress
    this.#marks = marks
    this.#logger = logger
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Ends without finishing what is under way: the journal has it. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#cache.shared.announceCommit()
    await this.#running
  }

  #isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!this.#isStopping()) {
      try {
        await this.#takeBatch(signal)
      } catch (error) {
        if (this.#isStopping()) break
        this.#logger.error({ err: error }, 'the upload journal cannot be read; trying again')
        await delay(limits.retryBaseMs)
      }
    }
    // Those under way see the signal; wait until they have let go of their places.
    await Promise.all(Array.from({ length: limits.uploads }, () => this.#places.acquire()))
  }

  async #takeBatch(signal: AbortSignal): Promise<void> {
    const { shared, database } = this.#cache
    const seen = shared.commits
    const waiting = database.uploadsAfter(this.#cursor, limits.uploadBatch)
    if (waiting.length === 0) await shared.nextCommit(seen, limits.progressLookMs)
    // Up to the first that has not: the journal is taken in order, and none may be passed over.
    const young = waiting.findIndex((upload) => !this.#isSettled(upload))
    const batch = young < 0 ? waiting : waiting.slice(0, young)
    if (waiting.length > 0 && batch.length === 0) await delay(limits.uploadLookMs)
    for (const upload of batch) {
      const place = await this.#places.acquire(1, { signal })
      this.#cursor = upload.seq
      void this.#upload(upload, place, signal)
    }
  }

  /** Not overwritten or removed right after it was written, as so many files are. */
  #isSettled(upload: Upload): boolean {
    return this.#hurried > 0 || Date.now() - upload.committedMs >= limits.uploadSettleMs
  }

  /** While `work` lasts, somebody waits for uploads: none is put off. */
  async hurried(work: () => Promise<void>): Promise<void> {
    this.#hurried += 1
    try {
      await work()
    } finally {
      this.#hurried -= 1
    }
  }

  /** Never rejects. */
  async #upload(upload: Upload, place: Permit, signal: AbortSignal): Promise<void> {
    try {
      let failures = 0
      await retry(() => this.#attempt(upload.seq, upload, signal), {
        attempts: Infinity,
        signal,
        baseMs: limits.uploadRetryBaseMs,
        maxMs: limits.retryMaxMs,
        onRetry: ({ error, delayMs }) => {
          this.#noteFailure(error, delayMs, ++failures)
        },
      })
    } catch (error) {
      if (signal.aborted) return
      this.#logger.error({ err: error }, 'an upload ended unexpectedly; it will be taken up again')
      this.#cursor = Math.min(this.#cursor, upload.seq - 1)
    } finally {
      place.release()
      this.#progress.announce()
    }
  }

  async #attempt(seq: number, first: Upload, signal: AbortSignal): Promise<void> {
    if (this.failure) await this.#rate.take({ signal })
    await this.#committed(first.ino, signal)
    const upload = this.#current(first)
    if (upload?.seq !== seq) return
    using _memory = await this.#memory.acquire(Math.max(1, upload.length), { signal })
    const data = await this.#loader.loadUpload(upload)
    if (data === undefined) return
    const crc = crc32(data)
    const key = chunkKey(upload.ino, upload.index, upload.id)
    await this.#cloud.write(key, data, { crc32: crc, signal })
    await this.#finish(upload, crc)
    this.#noteSuccess(data.length)
  }

  /** What the metadata does not have yet, it would take for superseded. */
  async #committed(ino: number, signal: AbortSignal): Promise<void> {
    const { shared } = this.#cache
    const isCommitting = (): boolean => {
      return shared.withInode(ino, () => shared.findOpen(ino)?.committing === true)
    }
    while (isCommitting()) await delay(limits.uploadLookMs, undefined, { signal })
  }

  #current(upload: Upload): Upload | undefined {
    return this.#cache.database.upload(upload.ino, upload.index)
  }

  /** Where it still is: also superseded by a commit that the metadata may refuse. */
  #find({ ino, index, seq }: Upload): Upload | undefined {
    const { database } = this.#cache
    const found = [database.upload(ino, index), ...database.supersededOf(ino)]
    return found.find((upload) => upload?.seq === seq)
  }

  async #finish(upload: Upload, crc: number): Promise<void> {
    const { shared, database, files } = this.#cache
    const { ino, index, id } = upload
    // Under the lock: a commit that is half-way is not to be seen.
    const holds = await shared.withInode(ino, () => {
      return this.#find(upload) !== undefined && this.#marks.durable(ino, index, id, crc)
    })
    if (!holds) await this.#marks.discard(ino, index, id)
    shared.withInode(ino, () => {
      const current = this.#find(upload)
      if (current === undefined) return
      const row = database.chunk(upload.ino, upload.index)
      const isClean = holds && row?.state === PENDING && row.id === upload.id
      database.transaction(() => {
        database.deleteUpload(upload.seq)
        database.deleteSuperseded(upload.seq)
        if (isClean) database.putChunk(upload.ino, { ...row, state: CLEAN })
        if (!database.hasUploads(upload.ino)) database.deleteJournaled(upload.ino)
      })
      if (isClean) shared.add('unsyncedBytes', -row.length)
      const { source } = current
      if (source !== null) removeAsides(database, files, [source])
    })
  }

  #noteFailure(error: unknown, delayMs: number, failures: number): void {
    const reason = describe(error)
    const level = this.failure === undefined || failures % 10 === 0 ? 'warn' : 'debug'
    this.failure ??= { since: new Date(), reason }
    this.failure.reason = reason
    this.#logger[level](
      `upload to ${this.#cloud.name} failed, again in ${Math.ceil(delayMs)} ms: ${reason}`,
    )
    this.#progress.announce()
  }

  #noteSuccess(bytes: number): void {
    if (this.failure) this.#logger.info(`uploads to ${this.#cloud.name} work again`)
    this.failure = undefined
    this.uploadedChunks += 1
    this.uploadedBytes += bytes
  }
}

/**
 * Uploads committed chunks from the journal to the cloud, oldest first. A chunk is read once into
 * memory, its CRC-32 is computed, and that buffer is sent. If the chunk was written again in the
 * meantime, its pre-image is sent; if it was committed again, nothing. Failed uploads are retried
 * forever, with growing delays. The journal is on the disk, so a restart loses nothing.
 *
 * Runs on the main thread. Invariant: the number of chunks in memory is bounded, whatever the size
 * of the backlog.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { BufferPool } from '../../base/buffer-pool.ts'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { throwIfAborted } from '../../base/async/abort.ts'
import { AttemptRate, pause, retry } from '../../base/async/retry.ts'
import { Semaphore, type Permit } from '../../base/async/semaphore.ts'
import { baseLimits } from '../../base/limits.ts'
import { cacheLimits } from '../limits.ts'
import type { TierStorage } from '../../tiers/tier-storage.ts'
import { UnreadableUpload, type ChunkReader } from '../read/chunk-reader.ts'
import type { Upload } from './upload-journal.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { ChunkChecks } from '../checks/chunk-checks.ts'
import type { LostChunks } from '../checks/lost-chunks.ts'
import { chunkKey } from './object-key.ts'
import type { ConditionVariable } from '../waiting/condition-variable.ts'
import { UploadFinisher, type DurableMarks, type UploadFinisherParts } from './upload-finisher.ts'

export interface UploaderParts extends UploadFinisherParts {
  settings: CacheSettings
  chunkReader: ChunkReader
  checks: ChunkChecks
  lost: LostChunks
  cloud: TierStorage
  marks: DurableMarks
  progress: ConditionVariable
  logger: Logger
}

/**
 * Send to the cloud, then record it in the metadata and remove it from the journal. Either step may
 * fail.
 */
type Step = 'send' | 'finish'

export class Uploader {
  readonly #parts: UploaderParts
  readonly #cloud: TierStorage
  readonly #buffers: BufferPool
  readonly #logger: Logger
  readonly #failures: RepeatedLog
  readonly #progress: ConditionVariable
  readonly #finisher: UploadFinisher
  readonly #places = new Semaphore(cacheLimits.uploads)
  readonly #memory = new Semaphore(cacheLimits.uploadBufferBytes)
  readonly #rate = new AttemptRate(cacheLimits.failedUploadsPerMinute)
  readonly #stop = new AbortController()
  /** Aborted when an upload succeeds again, to end the delays of those that failed before. */
  #recovery = new AbortController()
  #cursor = 0
  #hurried = 0
  readonly #underWay = new Set<Promise<void>>()
  /** Attempts to read uploads that cannot be read, by position in the journal. */
  readonly #looks = new Map<number, number>()
  #running: Promise<void> | undefined
  /** Since when uploads fail, why, and at which step; undefined while they succeed. */
  failure: { since: Date; reason: string; step: Step } | undefined
  uploadedChunks = 0
  uploadedBytes = 0

  constructor(parts: UploaderParts) {
    const { cloud, marks, progress, logger } = parts
    this.#parts = parts
    this.#cloud = cloud
    this.#buffers = new BufferPool(parts.settings.chunkSize)
    this.#progress = progress
    this.#finisher = new UploadFinisher(parts, marks, () => {
      return this.#hurried > 0 || this.#places.free === this.#places.capacity
    })
    this.#logger = logger
    this.#failures = new RepeatedLog(logger)
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Stops without finishing uploads that are under way: they are in the journal. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#finisher.expedite()
    this.#parts.shared.announceCommit()
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
        const message = 'the upload journal cannot be read; tried again'
        this.#failures.error('journal', message, { err: error })
        await delay(baseLimits.retryBaseMs)
      }
    }
    // Uploads under way receive the signal; wait until they have released their resources.
    await Promise.allSettled(this.#underWay)
  }

  async #takeBatch(signal: AbortSignal): Promise<void> {
    const { shared, uploads } = this.#parts
    const seen = shared.commits
    const waiting = uploads.after(this.#cursor, cacheLimits.uploadBatch)
    if (waiting.length === 0) await shared.nextCommit(seen, cacheLimits.conditionPollMs)
    // Up to the first young one: the journal is taken in order, and no upload may be skipped.
    const young = waiting.findIndex((upload) => !this.#isSettled(upload))
    const batch = young < 0 ? waiting : waiting.slice(0, young)
    for (const upload of batch) {
      const place = this.#places.tryAcquire() ?? (await this.#places.acquire(1, { signal }))
      this.#cursor = upload.seq
      const work = this.#upload(upload, place, signal)
      this.#underWay.add(work)
      void work.finally(() => this.#underWay.delete(work))
    }
    if (young >= 0) await delay(cacheLimits.uploadLookMs)
  }

  /**
   * Whether the chunk is old enough: many files are overwritten or removed right after the write.
   */
  #isSettled(upload: Upload): boolean {
    const ageMs = Date.now() - upload.committedMs
    // Negative: the wall clock was set back.
    return this.#hurried > 0 || ageMs < 0 || ageMs >= cacheLimits.uploadSettleMs
  }

  /** Expedites all uploads while `work` runs, because somebody waits for them. */
  async hurried(work: () => Promise<void>): Promise<void> {
    this.#hurried += 1
    this.#finisher.expedite()
    try {
      await work()
    } finally {
      this.#hurried -= 1
    }
  }

  /** Never rejects. */
  async #upload(upload: Upload, place: Permit, signal: AbortSignal): Promise<void> {
    try {
      const crc = await this.#persistently('send', () => this.#send(upload, signal), signal)
      if (crc === undefined) {
        // Nothing is left that could show that the cloud takes uploads again.
        if (this.#underWay.size <= 1) this.failure = undefined
        return
      }
      this.#noteRecovery('send')
      // The last step needs no buffer, but the number of such uploads is bounded as well.
      if (this.#finisher.count < cacheLimits.uploadsEnded) place.release()
      await this.#persistently('finish', () => this.#finisher.finish(upload, crc), signal)
      this.#noteRecovery('finish')
      this.uploadedChunks += 1
      this.uploadedBytes += upload.length
    } catch (error) {
      if (signal.aborted) return
      const message = 'an upload ended unexpectedly; it is taken up again'
      this.#failures.error('unexpected', message, { err: error })
      this.#cursor = Math.min(this.#cursor, upload.seq - 1)
    } finally {
      this.#looks.delete(upload.seq)
      place.release()
      this.#progress.announce()
    }
  }

  /**
   * Retries until `work` succeeds, with growing delays, or at once when another upload has
   * succeeded.
   */
  async #persistently<T>(step: Step, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const attempt = async (): Promise<T> => {
      if (this.failure?.step === step) await this.#rest(this.#rate.reserve(), signal)
      return await work()
    }
    return await retry(attempt, {
      attempts: Infinity,
      signal,
      baseMs: cacheLimits.uploadRetryBaseMs,
      maxMs: baseLimits.retryMaxMs,
      onRetry: ({ error }) => this.#noteFailure(step, error),
      rest: (delayMs) => this.#rest(delayMs, signal),
    })
  }

  async #rest(delayMs: number, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#recovery.signal])
    await pause(delayMs, either).catch(() => throwIfAborted(signal))
  }

  /**
   * Returns the CRC-32 of the uploaded bytes; undefined: the chunk was committed again meanwhile.
   */
  async #send(upload: Upload, signal: AbortSignal): Promise<number | undefined> {
    const { ino, index, id, length } = upload
    await this.#committed(ino, signal)
    const { chunkSize } = this.#parts.settings
    const isLarge = length > chunkSize / 2
    const wanted = isLarge ? chunkSize : Math.max(1, length)
    using _memory =
      this.#memory.tryAcquire(wanted) ?? (await this.#memory.acquire(wanted, { signal }))
    using borrowed = isLarge ? this.#buffers.take() : undefined
    const data = await this.#load(upload, borrowed?.memory)
    if (data === undefined) return undefined
    const crc = crc32(data)
    try {
      await this.#cloud.write(chunkKey(ino, index, id), data, { crc32: crc, signal })
    } catch (error) {
      // An aborted write may still be sending the buffer.
      borrowed?.forsake()
      throw error
    }
    return crc
  }

  /**
   * Undefined if the chunk was superseded, or is lost and now listed (cache/checks/lost-chunks.ts).
   */
  async #load(upload: Upload, into: Buffer | undefined): Promise<Buffer | undefined> {
    const { seq } = upload
    try {
      return await this.#parts.chunkReader.loadUpload(upload, into)
    } catch (cause) {
      const looks = (this.#looks.get(seq) ?? 0) + 1
      this.#looks.set(seq, looks)
      const why = describe(cause)
      if (looks >= cacheLimits.lostLooks && this.#lose(upload, why)) return undefined
      throw cause instanceof UnreadableUpload ? cause : new UnreadableUpload(upload, why, cause)
    }
  }

  #lose(upload: Upload, reason: string): boolean {
    const { ino } = upload
    return this.#parts.lost.loseUpload(upload, reason, (row) => {
      if (this.#parts.checks.check(ino, row) === 'damaged') this.#parts.checks.dropDamaged(ino, row)
      else this.#parts.lost.giveUp(ino, [row], reason)
    })
  }

  /** Waits for the commit in the metadata, which would otherwise treat the chunk as superseded. */
  async #committed(ino: number, signal: AbortSignal): Promise<void> {
    const { shared } = this.#parts
    const isCommitting = (): boolean => {
      return shared.withInode(ino, () => shared.findOpen(ino)?.committing === true)
    }
    while (isCommitting()) await delay(cacheLimits.uploadLookMs, undefined, { signal })
  }

  #noteFailure(step: Step, error: unknown): void {
    // The disk of this node failed, not the cloud.
    if (error instanceof UnreadableUpload) return
    const reason = describe(error)
    this.failure = { since: this.failure?.since ?? new Date(), reason, step }
    this.#failures.warn('upload', `uploads fail and are tried again: ${reason}`)
    this.#progress.announce()
  }

  /** A failing step has succeeded: all delayed attempts continue. */
  #noteRecovery(step: Step): void {
    if (this.failure?.step !== step) return
    this.#logger.info(`uploads to ${this.#cloud.name} work again`)
    this.failure = undefined
    this.#recovery.abort()
    this.#recovery = new AbortController()
  }
}

/**
 * CRC-32 of pending chunks: computed a moment after the commit, from the page cache, and compared
 * before the bytes are sent, however long the cloud is unavailable. A chunk that is uploaded sooner
 * is read once, for both. Main thread.
 *
 * Invariant: chunks that the kernel may still write have no such checksum, because they may change
 * under their id.
 */
import { crc32 } from 'node:zlib'
import { BufferPool } from '../../base/buffer-pool.ts'
import { cacheLimits } from '../limits.ts'
import { UnreadableUpload, type ChunkReader } from '../read/chunk-reader.ts'
import type { Upload } from '../upload/upload-journal.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'

export interface PendingChecksumsParts {
  chunkReader: ChunkReader
  settings: CacheSettings
  shared: SharedState
  database: Transactions
  uploads: UploadJournal
}

export class PendingChecksums {
  readonly #parts: PendingChecksumsParts
  readonly #buffers: BufferPool
  /** All journal rows up to this one were examined. */
  #cursor = 0
  #running: Promise<void> | undefined
  readonly #stop = new AbortController()

  constructor(parts: PendingChecksumsParts) {
    this.#parts = parts
    this.#buffers = new BufferPool(parts.settings.chunkSize)
  }

  /** Starts a run if none is under way. Called at intervals. */
  look(onFailure: (error: unknown) => void): void {
    this.#running ??= this.#run()
      .catch(onFailure)
      .finally(() => {
        this.#running = undefined
      })
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const untilMs = Date.now() - cacheLimits.checksumAfterMs
    while (!this.#hasStopped()) {
      const page = this.#parts.uploads.after(this.#cursor, cacheLimits.replicaPage)
      const young = page.findIndex(({ committedMs }) => committedMs > untilMs)
      for (const upload of young < 0 ? page : page.slice(0, young)) {
        if (this.#hasStopped()) return
        await this.#take(upload)
        this.#cursor = upload.seq
      }
      if (young >= 0 || page.length === 0) return
    }
  }

  #hasStopped(): boolean {
    return this.#stop.signal.aborted
  }

  async #take(upload: Upload): Promise<void> {
    const { seq, ino, index, crc } = upload
    if (crc !== null || this.#mayChange(ino)) return
    using borrowed = this.#buffers.take()
    let data: Buffer | undefined
    try {
      data = await this.#parts.chunkReader.loadUpload(upload, borrowed.memory)
    } catch (error) {
      // The uploader decides whether the chunk is lost.
      if (error instanceof UnreadableUpload) return
      throw error
    }
    if (data === undefined) return
    const found = crc32(data)
    const { database, uploads, shared } = this.#parts
    shared.withInode(ino, () => {
      if (this.#mayChange(ino) || uploads.find(ino, index)?.seq !== seq) return
      database.transaction(() => uploads.setCrc(seq, found))
    })
  }

  #mayChange(ino: number): boolean {
    return this.#parts.shared.findOpen(ino)?.passthroughWrites === true
  }
}

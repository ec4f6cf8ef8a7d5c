/**
 * Repairs the upload journal when the database of the node was lost or is new. Chunks that
 * according to the metadata only this node has, and that the database does not list, go into the
 * upload journal again if their bytes are on the disk; the others are recorded as lost. The same
 * after names were restored from a backup, except that the chunk may have been uploaded since. Runs
 * alone, before recovery.
 *
 * Invariant: the bytes of a backing file are taken for the committed content only if the database
 * is new and the names are not restored. In an old database, a chunk without a row means that the
 * file does not have its bytes.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Semaphore } from '../../base/async/semaphore.ts'
import { codeOf } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { readPlainFile } from '../../base/plain-file.ts'
import { PENDING } from '../../cache/state/chunk-table.ts'
import type { CacheSettings } from '../../cache/state/cache-settings.ts'
import type { Transactions } from '../../cache/state/node-database.ts'
import type { ChunkTable } from '../../cache/state/chunk-table.ts'
import type { UploadJournal } from '../../cache/upload/upload-journal.ts'
import type { LostChunkTable } from '../../cache/checks/lost-chunk-table.ts'
import type { ReplicaTable } from '../../cache/replicas/replica-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import { chunkKey } from '../../cache/upload/object-key.ts'
import type { DurableMarks } from '../../cache/upload/upload-finisher.ts'
import { cacheLimits } from '../../cache/limits.ts'
import { volumeLimits } from '../limits.ts'
import type { ChunkReference } from '../../metadata/chunk-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { listPendingUploads } from '../../metadata/pending-upload-rules.ts'
import type { TierStorage } from '../../tiers/tier-storage.ts'
import { hasChunk } from './chunk-presence.ts'
import { holdersOf } from './durability-gate.ts'

export interface PendingUploadClaimsParts {
  settings: CacheSettings
  database: Transactions
  chunks: ChunkTable
  uploads: UploadJournal
  lostTable: LostChunkTable
  replicaTable: ReplicaTable
  files: BackingFiles
  engine: MetadataEngine
  /** Id of this node in a cluster; undefined on a single-node volume. */
  self: string | undefined
  /** The database of the node was created by this start. */
  isNew: boolean
  /** The names were restored from a backup. */
  isRestored: boolean
  cloud: TierStorage
  marks: DurableMarks
  /** Whether an inode has writes that were not committed. */
  isWritten: (ino: number) => boolean
  logger: Logger
}

export class PendingUploadClaims {
  readonly #parts: PendingUploadClaimsParts
  readonly #places = new Semaphore(volumeLimits.restoredReads)
  #claimed = 0

  constructor(parts: PendingUploadClaimsParts) {
    this.#parts = parts
  }

  async run(): Promise<void> {
    const { engine, isNew, logger } = this.#parts
    for (let [ino, index] = [0, -1]; ;) {
      const page = engine.read(listPendingUploads(ino, index, cacheLimits.replicaPage))
      const absent = page.filter((chunk) => !this.#claim(chunk))
      await Promise.all(absent.map((chunk) => this.#findUploaded(chunk)))
      const last = page.at(-1)
      if (last === undefined) break
      ;({ ino, index } = last)
    }
    if (isNew) this.#sweep()
    if (this.#claimed > 0)
      logger.warn(`${this.#claimed} chunks that wait for upload were found on the disk again`)
  }

  /** False: this node should have the chunk, and does not. */
  #claim(chunk: ChunkReference): boolean {
    const { self } = this.#parts
    const { ino, index, id } = chunk
    if (self !== undefined && !holdersOf(chunk).includes(self)) return true
    if (hasChunk(this.#parts, chunk) || this.#parts.lostTable.find(ino, index)?.id === id)
      return true
    if (!this.#adopt(chunk) && !this.#hold(chunk)) return false
    this.#claimed += 1
    return true
  }

  /** The chunk is in the cloud, or is lost. */
  async #findUploaded(chunk: ChunkReference): Promise<void> {
    const { self, isRestored } = this.#parts
    const { ino, index, id, length } = chunk
    using _place = await this.#places.acquire(1)
    if (isRestored && (await this.#isUploaded(chunk))) return
    if (holdersOf(chunk).some((holder) => holder !== self)) return
    const reason = isRestored
      ? 'it was not uploaded before the backup of the names, nor since'
      : 'the database of this node does not know of it'
    const lost = { ino, index, id, length, reason, sinceMs: Date.now() }
    this.#parts.database.transaction(() => this.#parts.lostTable.put(lost))
  }

  /** Looks for a chunk that was uploaded after the backup, and marks it durable. */
  async #isUploaded({ ino, index, id, objectLength }: ChunkReference): Promise<boolean> {
    const { cloud, marks } = this.#parts
    try {
      const data = await cloud.read(chunkKey(ino, index, id))
      return data.length === objectLength && (await marks.durable(ino, index, id, crc32(data)))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return false
    }
  }

  /** Puts a chunk into the upload journal again; false if its bytes are not on the disk. */
  #adopt(chunk: ChunkReference): boolean {
    const { ino, index, id, length } = chunk
    const { database, uploads, chunks, files, settings } = this.#parts
    const start = index * settings.chunkSize
    const committedMs = Date.now()
    const name = `chunk-${id}`
    const isEjected = sizeOf(files.preImagePath(name)) === length
    const isInPlace = !isEjected && this.#isInPlace(chunk)
    const whole = isEjected || isInPlace ? undefined : this.#preImageOfFile(ino, start + length)
    if (!isEjected && !isInPlace && whole === undefined) return false
    database.transaction(() => {
      uploads.add({ ino, index, id, length, committedMs, sourceOffset: start })
      const seq = uploads.find(ino, index)!.seq
      if (isEjected) uploads.setSource(seq, name, 0)
      else if (whole !== undefined) uploads.setSource(seq, whole, start)
      else chunks.put(ino, { index, state: PENDING, id, length, accessed: committedMs })
    })
    return true
  }

  /** Whether the backing file has the bytes. */
  #isInPlace({ ino, index, id, length }: ChunkReference): boolean {
    const { isNew, isRestored } = this.#parts
    // It was uploaded after the backup.
    if (isRestored) return this.#parts.chunks.find(ino, index)?.id === id
    const end = index * this.#parts.settings.chunkSize + length
    return isNew && sizeOf(this.#parts.files.path(ino)) >= end
  }

  /** A backing file that was saved whole when the file was emptied (file-writer.ts). */
  #preImageOfFile(ino: number, end: number): string | undefined {
    if (!this.#parts.isNew || this.#parts.isRestored) return undefined
    const { files, settings } = this.#parts
    const names = readdirSync(join(settings.directory, 'aside'))
    const own = names.filter((name) => name.startsWith(`whole-${ino}-`))
    return own.find((name) => sizeOf(files.preImagePath(name)) >= end)
  }

  /** Registers a replica for another node again; false if its bytes are not on the disk. */
  #hold({ ino, index, id, length }: ChunkReference): boolean {
    const { database, replicaTable, settings } = this.#parts
    const path = join(settings.directory, 'held', String(id))
    if (sizeOf(path) !== length) return false
    const crc = crc32(readPlainFile(path))
    database.transaction(() => {
      replicaTable.add({ id, ino, index, length, crc, storedMs: Date.now() })
    })
    return true
  }

  /**
   * Removes backing files without a row in the database; reads fetch their chunks from the cloud.
   */
  #sweep(): void {
    const { isWritten } = this.#parts
    const { chunks, files, settings } = this.#parts
    const names = readdirSync(join(settings.directory, 'data'), { recursive: true })
    for (const name of names) {
      const ino = Number(/\/(\d+)$/.exec(String(name))?.[1])
      if (Number.isNaN(ino) || isWritten(ino)) continue
      if (chunks.from(ino, 0, 1).length === 0) files.remove(ino)
    }
  }
}

/** Size of a plain file in bytes; -1 if there is none. */
function sizeOf(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isFile() === true ? stat.size : -1
}

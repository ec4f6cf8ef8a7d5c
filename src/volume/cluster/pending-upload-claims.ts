/**
 * Repairs the upload journal when the database of the node was lost or is new. Chunks that
 * according to the metadata only this node has, and that the database does not list, go into the
 * upload journal again if their bytes are on the disk; the others are recorded as lost. Runs alone,
 * before recovery.
 *
 * Invariant: the bytes of a backing file are taken for the committed content only if the database
 * is new. In an old database, a chunk without a row means that the file does not have its bytes.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Logger } from '../../base/log/logger.ts'
import { readPlainFile } from '../../base/plain-file.ts'
import { PENDING } from '../../cache/state/node-database.ts'
import type { NodeCache } from '../../cache/state/node-cache.ts'
import { cacheLimits } from '../../cache/limits.ts'
import type { ChunkReference } from '../../metadata/chunk-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { listPendingUploads } from '../../metadata/pending-upload-rules.ts'
import { hasChunk } from './chunk-presence.ts'
import { holdersOf } from './durability-gate.ts'

export interface PendingUploadClaimsParts {
  cache: NodeCache
  engine: MetadataEngine
  /** Id of this node in a cluster; undefined on a single-node volume. */
  self: string | undefined
  /** The database of the node was created by this start. */
  isNew: boolean
  /** Whether an inode has writes that were not committed. */
  isWritten: (ino: number) => boolean
  logger: Logger
}

export class PendingUploadClaims {
  readonly #parts: PendingUploadClaimsParts
  #claimed = 0

  constructor(parts: PendingUploadClaimsParts) {
    this.#parts = parts
  }

  run(): void {
    const { engine, isNew, logger } = this.#parts
    for (let [ino, index] = [0, -1]; ;) {
      const page = engine.read(listPendingUploads(ino, index, cacheLimits.replicaPage))
      for (const chunk of page) this.#claim(chunk)
      const last = page.at(-1)
      if (last === undefined) break
      ;({ ino, index } = last)
    }
    if (isNew) this.#sweep()
    if (this.#claimed > 0)
      logger.warn(`${this.#claimed} chunks that wait for upload were found on the disk again`)
  }

  #claim(chunk: ChunkReference): void {
    const { cache, self } = this.#parts
    const { database } = cache
    const { ino, index, id, length } = chunk
    const holders = holdersOf(chunk)
    if (self !== undefined && !holders.includes(self)) return
    if (hasChunk(cache, chunk) || database.lostChunk(ino, index)?.id === id) return
    if (this.#adopt(chunk) || this.#hold(chunk)) this.#claimed += 1
    else if (holders.every((holder) => holder === self)) {
      const reason = 'the database of this node does not know of it'
      const lost = { ino, index, id, length, reason, sinceMs: Date.now() }
      database.transaction(() => database.putLost(lost))
    }
  }

  /** Puts a chunk into the upload journal again; false if its bytes are not on the disk. */
  #adopt({ ino, index, id, length }: ChunkReference): boolean {
    const { database, files, settings } = this.#parts.cache
    const start = index * settings.chunkSize
    const committedMs = Date.now()
    const name = `chunk-${id}`
    const isEjected = sizeOf(files.preImagePath(name)) === length
    const isInPlace = !isEjected && this.#parts.isNew && sizeOf(files.path(ino)) >= start + length
    const whole = isEjected || isInPlace ? undefined : this.#preImageOfFile(ino, start + length)
    if (!isEjected && !isInPlace && whole === undefined) return false
    database.transaction(() => {
      database.addUpload({ ino, index, id, length, committedMs, sourceOffset: start })
      const seq = database.upload(ino, index)!.seq
      if (isEjected) database.setUploadSource(seq, name, 0)
      else if (whole !== undefined) database.setUploadSource(seq, whole, start)
      else database.putChunk(ino, { index, state: PENDING, id, length, accessed: committedMs })
    })
    return true
  }

  /** A backing file that was saved whole when the file was emptied (file-writer.ts). */
  #preImageOfFile(ino: number, end: number): string | undefined {
    if (!this.#parts.isNew) return undefined
    const { files, settings } = this.#parts.cache
    const names = readdirSync(join(settings.directory, 'aside'))
    const own = names.filter((name) => name.startsWith(`whole-${ino}-`))
    return own.find((name) => sizeOf(files.preImagePath(name)) >= end)
  }

  /** Registers a replica for another node again; false if its bytes are not on the disk. */
  #hold({ ino, index, id, length }: ChunkReference): boolean {
    const { database, settings } = this.#parts.cache
    const path = join(settings.directory, 'held', String(id))
    if (sizeOf(path) !== length) return false
    const crc = crc32(readPlainFile(path))
    database.transaction(() => {
      database.addReplica({ id, ino, index, length, crc, storedMs: Date.now() })
    })
    return true
  }

  /**
   * Removes backing files without a row in the database; reads fetch their chunks from the cloud.
   */
  #sweep(): void {
    const { cache, isWritten } = this.#parts
    const { database, files, settings } = cache
    const names = readdirSync(join(settings.directory, 'data'), { recursive: true })
    for (const name of names) {
      const ino = Number(/\/(\d+)$/.exec(String(name))?.[1])
      if (Number.isNaN(ino) || isWritten(ino)) continue
      if (database.chunksFrom(ino, 0, 1).length === 0) files.remove(ino)
    }
  }
}

/** Size of a plain file in bytes; -1 if there is none. */
function sizeOf(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isFile() === true ? stat.size : -1
}

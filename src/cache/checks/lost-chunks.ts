/**
 * Bytes that a backing file must have and lacks, because something removed or truncated it. Durable
 * chunks leave the cache and are fetched from the cloud again. Chunks that only this node had are
 * lost: a read of exactly that chunk fails with EIO, it is never uploaded, and the node database
 * lists it until the file has other content there.
 *
 * Invariant: a backing file extends to the end of every chunk that the database has of it, so that
 * a hole at the end of a file is different from loss (`cover`).
 */
import { isMainThread } from 'node:worker_threads'
import { NotStarted } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import { loggerOf } from '../../base/log/logger.ts'
import type { WaitCondition } from '../waiting/wait-condition.ts'
import { CLEAN, DIRTY, PENDING, type LocalChunk } from '../state/chunk-table.ts'
import type { LostChunk } from './lost-chunk-table.ts'
import type { Upload } from '../upload/upload-journal.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { LostChunkTable } from '../checks/lost-chunk-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { CurrentContent } from '../state/current-content.ts'
import type { PreImages } from '../write/pre-images.ts'

/** The main thread has to find out which bytes are absent. */
function mustVerify(ino: number): NotStarted {
  const condition: WaitCondition = { kind: 'verify', ino }
  return new NotStarted(condition)
}

/** EIO with the reason why a chunk is lost, for its readers and for operations that wait for it. */
export class LostError extends FsError {
  constructor({ ino, index, reason }: LostChunk) {
    super('EIO', `chunk ${index} of inode ${ino} is lost: ${reason}`)
  }
}

export interface LostChunksParts {
  settings: CacheSettings
  shared: SharedState
  index: ChunkIndex
  database: Transactions
  chunks: ChunkTable
  uploads: UploadJournal
  lostTable: LostChunkTable
  files: BackingFiles
  content: CurrentContent
  preImages: PreImages
}

export class LostChunks {
  readonly #parts: LostChunksParts

  constructor(parts: LostChunksParts) {
    this.#parts = parts
  }

  /**
   * Offset at which the bytes of a chunk end in the backing file of a file of `size` bytes; 0: it
   * has none.
   */
  #endOf(size: number, row: LocalChunk): number {
    const { index, state, id } = row
    if (state === CLEAN && id === 0) return 0
    const length = state === DIRTY ? this.#parts.content.extent(index, size) : row.length
    return length === 0 ? 0 : index * this.#parts.settings.chunkSize + length
  }

  /** Required length of the backing file, bytes. Call under the lock of the inode. */
  #neededBytes(ino: number, size?: number): number {
    if (this.#parts.content.isHere(ino)) return this.#parts.content.size(ino)
    const last = this.#parts.chunks.last(ino)
    if (last === undefined) return 0
    return this.#endOf(size ?? (last.state === DIRTY ? this.#parts.content.size(ino) : 0), last)
  }

  /** Whether the backing file is too short. Call under the lock of the inode. */
  #isShort(ino: number): boolean {
    const needed = this.#neededBytes(ino)
    return needed > 0 && (this.#parts.files.stat(ino)?.size ?? 0) < needed
  }

  /**
   * Call before the backing file is extended, and before its length is used as the size of the
   * content.
   */
  requireBytes(ino: number): void {
    if (this.#isShort(ino)) throw mustVerify(ino)
  }

  /**
   * Extends the backing file before chunks up to `end` become dirty: a hole at the end is then part
   * of the file.
   */
  cover(ino: number, end: number): void {
    const { files } = this.#parts
    if ((files.stat(ino)?.size ?? 0) >= end) return
    files.make(ino)
    files.truncate(ino, end)
  }

  /**
   * Gives up chunks whose bytes are absent, according to the length of the backing file. Call under
   * the lock of the inode. `known`: size of the file, if the table of open inodes does not have it
   * yet.
   */
  settleShort(ino: number, known?: number): void {
    const { chunks, files } = this.#parts
    // In this order: the kernel may extend the file in between, and its size is that of the file.
    const needed = this.#neededBytes(ino, known)
    const stat = files.stat(ino)
    const there = stat?.size ?? 0
    if (there >= needed) return
    const size = known ?? this.#parts.content.size(ino)
    const rows = chunks.from(ino, 0, Number.MAX_SAFE_INTEGER)
    const short = rows.filter((row) => this.#endOf(size, row) > there)
    const unknown = this.#parts.content.isHere(ino) ? this.#unknownRows(there, needed, rows) : []
    const path = files.path(ino)
    const reason =
      stat === undefined
        ? `its file ${path} was removed`
        : `its file ${path} was cut to ${there} bytes, of ${needed}`
    this.giveUp(ino, [...short, ...unknown], reason, size)
    // Lost dirty chunks are listed, and the file may be written further.
    this.cover(ino, this.#neededBytes(ino, known))
  }

  /** Rows for chunks of which only the table of open inodes has a record. */
  #unknownRows(there: number, needed: number, rows: readonly LocalChunk[]): LocalChunk[] {
    const { settings } = this.#parts
    const known = new Set(rows.map((row) => row.index))
    const lost: LocalChunk[] = []
    for (let at = Math.floor(there / settings.chunkSize); at * settings.chunkSize < needed; at++) {
      const row = { index: at, state: DIRTY, id: 0, length: 0, accessed: 0 }
      if (!known.has(at)) lost.push(row)
    }
    return lost
  }

  /**
   * Marks the bytes of chunks on this node as invalid, for a reason. Call under the lock of the
   * inode.
   */
  giveUp(
    ino: number,
    rows: readonly LocalChunk[],
    reason: string,
    size = this.#parts.content.size(ino),
  ): void {
    if (rows.length === 0) return
    const { database, shared } = this.#parts
    shared.bumpChunks(ino)
    database.transaction(() => {
      for (const row of rows) this.#giveUp(ino, row, reason, size)
    })
    const gone = rows.filter((row) => row.state !== DIRTY)
    const used = gone.reduce((sum, row) => sum + row.length, 0)
    const synced = gone.reduce((sum, row) => sum + (row.state === CLEAN ? row.length : 0), 0)
    shared.add('usedBytes', -used)
    shared.add('unsyncedBytes', synced - used)
    this.removeUnused(ino)
    shared.bumpChunks(ino)
    shared.bumpFile(ino)
    this.count()
    const clean = rows.filter((row) => row.state === CLEAN).length
    if (clean === 0) return
    shared.add('damagedChunks', clean)
    if (!isMainThread) return
    const what = `${clean} chunks of inode ${ino} are fetched from the cloud again`
    loggerOf('CACHE').warn(`${what}: ${reason}`)
  }

  /** Call inside a transaction. */
  #giveUp(ino: number, row: LocalChunk, reason: string, size: number): void {
    const { lostTable, chunks, uploads, index } = this.#parts
    const at = row.index
    const lost = { ino, index: at, reason, sinceMs: Date.now() }
    if (row.state === DIRTY) {
      const length = this.#parts.content.extent(at, size)
      if (lostTable.find(ino, at)?.id !== 0) lostTable.put({ ...lost, id: 0, length })
      return
    }
    chunks.delete(ino, at)
    if (row.state === CLEAN) return
    const upload = uploads.find(ino, at)
    // The upload continues from the pre-image.
    if (upload?.id !== row.id || upload.source !== null) return
    if (index.find(ino, at)?.id === row.id) uploads.end(upload)
    else uploads.delete(upload.seq)
    lostTable.put({ ...lost, id: row.id, length: row.length })
  }

  /**
   * Removes a backing file without chunks, unless programs may have it mapped. It stays while
   * chunks of it are lost: it may have the only copy of their damaged bytes. Call under the lock of
   * the inode.
   */
  removeUnused(ino: number): void {
    const { lostTable, chunks, shared, files } = this.#parts
    const isUsed =
      shared.findOpen(ino)?.ahead === true || shared.findOpen(ino)?.passthroughWrites === true
    const isKept = isUsed || lostTable.of(ino).length > 0
    if (isKept || chunks.from(ino, 0, 1).length > 0) return
    if (!files.isPassthrough(ino)) files.remove(ino)
  }

  /** Updates the counter, which readers check first. */
  count(): void {
    const { lostTable, shared } = this.#parts
    shared.setCounter('lostChunks', lostTable.count())
  }

  /**
   * The lost chunk at an index, if it was lost before its commit; called for each chunk looked up.
   */
  uncommitted(ino: number, index: number): LostChunk | undefined {
    if (this.#parts.shared.counter('lostChunks') === 0) return undefined
    const lost = this.#parts.lostTable.find(ino, index)
    return lost?.id === 0 ? lost : undefined
  }

  /**
   * Call when the bytes of an upload cannot be read. Returns true if no retry is useful: the chunk
   * is lost, or a later commit replaced it. False: the disk is unavailable, or the cache has the
   * bytes, from which the upload continues. `drop`: gives up a cached chunk whose bytes are not as
   * written; called under the lock of the inode.
   */
  loseUpload(upload: Upload, reason: string, drop: (row: LocalChunk) => void): boolean {
    const { database, uploads, chunks, lostTable, files, shared, settings } = this.#parts
    const { ino, index, seq, id } = upload
    // The data directory itself is unavailable.
    if (!files.isThere()) return false
    return shared.withInode(ino, () => {
      const now = uploads.find(ino, index)
      if (now?.seq !== seq) return true
      const row = chunks.find(ino, index)
      const isCached = row?.id === id
      this.settleShort(ino)
      if (now.source === null) {
        if (isCached && uploads.find(ino, index)) drop(row)
        return true
      }
      if (isCached && chunks.find(ino, index)) {
        database.transaction(() => {
          uploads.setSource(seq, null, index * settings.chunkSize)
          chunks.put(ino, { ...row, state: PENDING })
        })
        if (row.state === CLEAN) shared.add('unsyncedBytes', row.length)
        return false
      }
      database.transaction(() => {
        uploads.end(now)
        lostTable.put({ ino, index, id, length: now.length, reason, sinceMs: Date.now() })
      })
      this.#parts.preImages.removeUnused([now.source])
      this.count()
      return true
    })
  }
}

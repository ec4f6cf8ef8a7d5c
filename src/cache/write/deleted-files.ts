/**
 * Deletes the rows and bytes of files whose inodes were deleted. Like commits, many can share one
 * transaction (group-commit.ts). Inode numbers are never reused, so rows and files that a crash
 * leaves behind do no harm; recovery removes them.
 */
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { LostChunkTable } from '../checks/lost-chunk-table.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { Transactions } from '../state/node-database.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { UncommittedTable } from '../state/uncommitted-table.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { PreImages } from './pre-images.ts'

export interface DeletedFilesParts {
  database: Transactions
  chunks: ChunkTable
  uploads: UploadJournal
  uncommitted: UncommittedTable
  lostTable: LostChunkTable
  shared: SharedState
  files: BackingFiles
  preImages: PreImages
}

interface Deleted {
  ino: number
  used: number
  unsynced: number
  /** Pre-images that its uploads read. */
  sources: string[]
}

export class DeletedFiles {
  readonly #parts: DeletedFilesParts

  constructor(parts: DeletedFilesParts) {
    this.#parts = parts
  }

  /**
   * Deletes the rows of inodes in one transaction, and then their bytes. Call under their locks.
   */
  delete(inodes: readonly number[]): void {
    const { database, shared, files, preImages } = this.#parts
    if (inodes.length === 0) return
    const deleted = database.transaction(() => inodes.map((ino) => this.#deleteRows(ino)))
    for (const { ino, used, unsynced } of deleted) {
      shared.add('usedBytes', -used)
      shared.add('unsyncedBytes', -unsynced)
      shared.bumpChunks(ino)
      files.remove(ino)
      shared.bumpFile(ino)
    }
    preImages.removeUnused(deleted.flatMap(({ sources }) => sources))
  }

  #deleteRows(ino: number): Deleted {
    const { chunks, uploads, uncommitted, lostTable, shared } = this.#parts
    const { used, unsynced, chunks: count } = chunks.sumFrom(ino, 0)
    const [journaled, superseded] = [uploads.of(ino, 0), uploads.supersededOf(ino)]
    if (count > 0) chunks.deleteFrom(ino, 0)
    for (const { seq } of journaled) uploads.delete(seq)
    for (const { seq } of superseded) uploads.deleteSuperseded(seq)
    if (uncommitted.find(ino)) uncommitted.delete(ino)
    if (shared.counter('lostChunks') > 0) lostTable.deleteFrom(ino, 0)
    const sources = [...journaled, ...superseded].flatMap(({ source }) => source ?? [])
    return { ino, used, unsynced, sources }
  }
}

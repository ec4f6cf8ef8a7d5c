/**
 * The steps of a commit, for one inode (file-committer.ts) or many together (group-commit.ts):
 * plan, write to the upload journal, take over from there, and then finish when the metadata has
 * the commit, or undo when it was refused. The journal is written before the metadata; recovery
 * completes a commit that a crash interrupts in between.
 *
 * Invariant: every step runs under the lock of the inode, and the lock is not released between
 * `plan` and `take`.
 */
import type { Content } from '../state/chunk-index.ts'
import { CLEAN, DIRTY, PENDING, type LocalChunk } from '../state/chunk-table.ts'
import { JOURNALED, WRITTEN } from '../state/node-schema.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { UncommittedTable } from '../state/uncommitted-table.ts'
import type { LostChunkTable } from '../checks/lost-chunk-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { PassthroughWrites } from '../passthrough/passthrough-writes.ts'
import type { CurrentContent } from '../state/current-content.ts'
import type { PreImages } from './pre-images.ts'
import type { SupersededUploads } from './superseded-uploads.ts'
import type { LostChunks } from '../checks/lost-chunks.ts'
import type { UntrackedWrites } from '../passthrough/untracked-writes.ts'
import type { OpenInode } from '../state/open-inode.ts'
import { dirtyChunks } from './dirty-chunks.ts'

type Chunks = readonly { index: number; id: number; length: number }[]

/** A planned commit of one inode. */
export interface PlannedCommit {
  ino: number
  open: OpenInode
  /** Dirty chunks, as in the node database. */
  rows: readonly LocalChunk[]
  /** The same chunks with their new ids. */
  chunks: Chunks
  /** Chunks whose bytes are lost: they are committed, and listed as lost. */
  lost: Chunks
  /** 512-byte blocks. */
  blocks: number
}

/** A commit that is in the journal and not yet in the metadata. */
export interface PreparedCommit {
  content: Content
  /** Chunks that were dirty. */
  rows: readonly LocalChunk[]
}

export interface CommitStepsParts {
  settings: CacheSettings
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  uploads: UploadJournal
  uncommitted: UncommittedTable
  lostTable: LostChunkTable
  files: BackingFiles
  index: ChunkIndex
  passthroughWrites: PassthroughWrites
  content: CurrentContent
  preImages: PreImages
  superseded: SupersededUploads
  lost: LostChunks
  untracked: UntrackedWrites
}

export class CommitSteps {
  readonly #parts: CommitStepsParts

  constructor(parts: CommitStepsParts) {
    this.#parts = parts
  }

  plan(ino: number, open: OpenInode): PlannedCommit {
    const { index } = this.#parts
    if (open.dirty) this.#parts.lost.settleShort(ino)
    const rows = dirtyChunks(this.#parts, ino, open)
    const all = rows
      .map((row) => ({
        index: row.index,
        length: this.#parts.content.extent(row.index, open.size),
      }))
      .filter(({ length }) => length > 0)
      .map((chunk) => ({ ...chunk, id: index.nextChunkId() }))
    const isLost = (chunk: { index: number }): boolean => {
      return this.#parts.lost.uncommitted(ino, chunk.index) !== undefined
    }
    const lost = this.#parts.shared.counter('lostChunks') === 0 ? [] : all.filter(isLost)
    const chunks = lost.length === 0 ? all : all.filter((chunk) => !lost.includes(chunk))
    return { ino, open, rows, chunks, lost, blocks: this.#blocks(ino, open) }
  }

  /** Writes the commit to the journal. Call inside a transaction. */
  journal({ ino, open, rows, chunks: planned, lost }: PlannedCommit): void {
    if (!open.dirty) return
    const { uploads, chunks, lostTable, uncommitted, settings, shared } = this.#parts
    const committedMs = Date.now()
    if (!open.fresh) this.#supersede(ino, open, rows)
    for (const { index, id, length } of planned) {
      const sourceOffset = index * settings.chunkSize
      uploads.add({ ino, index, id, length, committedMs, sourceOffset })
      chunks.put(ino, { index, state: PENDING, id, length, accessed: committedMs })
      if (shared.counter('lostChunks') > 0) lostTable.delete(ino, index)
    }
    for (const { index, id, length } of lost) {
      chunks.delete(ino, index)
      lostTable.put({ ...lostTable.find(ino, index)!, id, length })
    }
    uncommitted.put({
      ino,
      floor: open.voidFrom,
      size: open.size,
      stage: JOURNALED,
      mtimeSec: open.mtime.sec,
      mtimeNsec: open.mtime.nsec,
      base: open.base,
    })
  }

  #supersede(ino: number, open: OpenInode, rows: readonly LocalChunk[]): void {
    const { uploads, settings } = this.#parts
    const voidFrom = Math.ceil(Math.min(open.floor, open.size) / settings.chunkSize)
    const overwritten = rows.flatMap((row) => uploads.find(ino, row.index) ?? [])
    for (const upload of [...overwritten, ...uploads.of(ino, voidFrom)]) {
      uploads.supersede(upload.seq)
    }
  }

  /** Ends the dirty state: later writes belong to the next commit. */
  take({ ino, open, rows, chunks: fresh, lost, blocks }: PlannedCommit): PreparedCommit {
    const { shared, index } = this.#parts
    const floor = Math.min(open.voidFrom, open.size)
    // Committed content must not change under its id, even by untracked writes.
    if (open.mapped) for (const chunk of fresh) this.#parts.preImages.save(ino, chunk)
    const chunks = open.committing ? this.#journaled(ino) : [...fresh, ...lost]
    const { size, mtime, ctime } = open
    const base = index.isRemote ? open.base : undefined
    if (open.dirty) this.#account(open, rows, fresh)
    open.commitFloor = floor
    open.follow('journal')
    open.growth = 0
    // The journal replaces the record of passthrough writes.
    open.noted = false
    const isOver = open.passthroughWrites && open.backing === 0 && !open.outlived
    if (isOver) this.#parts.passthroughWrites.end(ino, open)
    shared.bumpChunks(ino)
    return { content: { size, floor, blocks, mtime, ctime, chunks, base }, rows }
  }

  /** Chunks that the journal has and the metadata lacks. */
  #journaled(ino: number): Content['chunks'] {
    const { lostTable, uploads, index } = this.#parts
    const lost = lostTable.of(ino).filter(({ id }) => id !== 0)
    const all = [...uploads.of(ino, 0), ...lost]
    const lacking = all.filter((chunk) => index.find(ino, chunk.index)?.id !== chunk.id)
    return lacking.map(({ index: at, id, length }) => ({ index: at, id, length }))
  }

  /** Replaces the estimate that was counted during writes by the exact lengths of the chunks. */
  #account(open: OpenInode, rows: readonly LocalChunk[], chunks: Chunks): void {
    const counted = rows.reduce((sum, row) => sum + row.length, open.growth)
    const exact = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    const durable = rows.reduce((sum, row) => sum + (row.state === CLEAN ? row.length : 0), 0)
    this.#parts.shared.add('usedBytes', exact - counted)
    this.#parts.shared.add('unsyncedBytes', exact - counted + durable)
  }

  /** 512-byte blocks: exact if the whole file is on this node, else a lower bound. */
  #blocks(ino: number, open: OpenInode): number {
    const { chunks, index, files } = this.#parts
    const here = files.stat(ino)?.blocks ?? 0
    if (open.voidFrom === 0 || chunks.count(ino) >= index.count(ino)) return here
    return Math.max(here, Math.min(index.file(ino).blocks, Math.ceil(open.size / 4096) * 8))
  }

  /** The metadata has the commit. */
  finish(ino: number, open: OpenInode, { content }: PreparedCommit): void {
    const { database, uncommitted, shared } = this.#parts
    open.follow('confirm')
    if (content.chunks.length === 0 && !open.dirty) {
      database.transaction(() => uncommitted.delete(ino))
    }
    if (open.passthroughWrites) this.#parts.passthroughWrites.record(ino, open)
    this.#parts.superseded.drop(ino)
    shared.bumpChunks(ino)
    shared.announceCommit()
  }

  /** The metadata refused the commit: its chunks are dirty again, for the next commit. */
  undo(ino: number, open: OpenInode, { rows, content }: PreparedCommit): void {
    const { database, uploads, lostTable, chunks, uncommitted, shared } = this.#parts
    const { size, floor } = content
    database.transaction(() => {
      for (const row of rows) {
        const upload = uploads.find(ino, row.index)
        if (upload) uploads.delete(upload.seq)
        const lost = lostTable.find(ino, row.index)
        if (lost) lostTable.put({ ...lost, id: 0 })
        const length = this.#parts.content.extent(row.index, size)
        if (length > 0) chunks.put(ino, { ...row, state: DIRTY, id: 0, length })
      }
      const { base } = open
      uncommitted.put({ ino, floor, size, stage: WRITTEN, mtimeSec: 0, mtimeNsec: 0, base })
    })
    open.follow('refuse')
    open.floor = floor
    this.#parts.superseded.settle(ino)
    shared.bumpChunks(ino)
  }
}

/**
 * Writes into backing files. A chunk is marked dirty in the node database before its old content is
 * overwritten. If the old content is not on this node, the bytes are written first, so that a crash
 * in between leaves the committed chunk valid. The pre-image of a pending chunk is saved before it
 * is overwritten.
 *
 * Invariant: an operation that lacks a chunk, space, a lease or room in the backlog throws
 * `NotStarted` before it changes content. Waits for page drops and commits follow the change
 * (`Awaiting`), which is not repeated when the operation runs again.
 */
import { Awaiting, NotStarted } from '../../base/suspended.ts'
import { now, type Timestamp } from '../../base/clock.ts'
import { FsError, codeOf } from '../../base/fs-error.ts'
import type { WriteMode } from '../../filesystem/inode-file-system.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE } from '../../base/native-calls.ts'
import type { FileCommitter } from './file-committer.ts'
import { COMMITTED, PAGES_DROPPED, type WaitCondition } from '../waiting/wait-condition.ts'
import { CLEAN, DIRTY, PENDING, type LocalChunk } from '../state/chunk-table.ts'
import type { Upload } from '../upload/upload-journal.ts'
import { CUTTING, UNTRACKED, WRITTEN } from '../state/node-schema.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { CurrentRequest } from '../../base/current-request.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { UncommittedTable } from '../state/uncommitted-table.ts'
import type { LostChunkTable } from '../checks/lost-chunk-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { PresenceCache } from '../state/presence-cache.ts'
import type { RequestJournal } from '../state/request-journal.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { Space } from '../space/space.ts'
import type { CurrentContent } from '../state/current-content.ts'
import type { PreImages } from './pre-images.ts'
import type { LostChunks } from '../checks/lost-chunks.ts'
import type { ChunkChecks } from '../checks/chunk-checks.ts'
import type { Reservations } from '../space/reservations.ts'
import type { OpenInode } from '../state/open-inode.ts'
import type { Mark } from '../passthrough/untracked-writes.ts'

interface Plan {
  /** Chunks to mark dirty before the bytes are written, and after. */
  before: Mark[]
  after: Mark[]
}

export interface FileWriterParts {
  settings: CacheSettings
  request: CurrentRequest
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  uploads: UploadJournal
  uncommitted: UncommittedTable
  lostTable: LostChunkTable
  files: BackingFiles
  presence: PresenceCache
  journal: RequestJournal
  index: ChunkIndex
  space: Space
  content: CurrentContent
  preImages: PreImages
  lost: LostChunks
  checks: ChunkChecks
  reservations: Reservations
}

export class FileWriter {
  readonly #parts: FileWriterParts
  readonly #committer: FileCommitter

  constructor(parts: FileWriterParts, committer: FileCommitter) {
    this.#parts = parts
    this.#committer = committer
  }

  /** Writes all of `source` at `offset`, or at the end of the file. The inode is open. */
  write(
    ino: number,
    offset: number,
    source: Uint8Array,
    { append, writeback, bypassesPages = false }: Omit<WriteMode, 'killSetId'>,
  ): number {
    if (source.length === 0) return 0
    // Resumed after the kernel has dropped its pages: the write is done.
    if (this.#parts.request.take(PAGES_DROPPED, ino)) return source.length
    const { journal } = this.#parts
    return this.#parts.shared.withInode(ino, () => {
      const open = this.#opened(ino)
      const size = this.#parts.content.size(ino)
      const at = append ? (journal.appended() ?? size) : offset
      const end = at + source.length
      if (end > filesystemLimits.fileBytes)
        throw new FsError('EFBIG', 'the file would be too large')
      if (end > this.#parts.settings.chunkSize) this.#settle(ino, open)
      const plan = open.fresh ? NOTHING : this.#plan(ino, at, end, size)
      this.#requireRoom(plan, Math.max(0, end - Math.max(size, at)))
      const makes = plan.after.length > 0 || (open.fresh && !open.dirty)
      if (open.fresh) this.#beginFresh(open)
      else this.#begin(ino, open, size, plan.before)
      if (append) journal.appending(ino, at)
      if (at > size) this.#requireZeros(ino, open, size)
      this.#put(ino, source, at, size, makes || plan.before.length > 0)
      this.#mark(ino, plan.after, open)
      const isStale = !writeback && hasStalePages(open, bypassesPages)
      // In this order: nobody sees the new size before the pages are dropped.
      if (isStale) this.#parts.shared.pageDrops.expect(ino)
      this.#grow(open, size, at, end)
      this.#touch(open)
      if (isStale) throw mustDrop(ino, at, source.length, bypassesPages)
      return source.length
    })
  }

  /** Called when a wait condition of this class will not be resolved. */
  refused(condition: WaitCondition): void {
    if (condition.kind === 'pages') this.#parts.shared.pageDrops.done(condition.ino)
  }

  /**
   * Call before a hole is made at the end of the file. A longer backing file has bytes that no
   * writer of the file wrote; with passthrough writes its length is the size.
   */
  #requireZeros(ino: number, open: OpenInode, size: number): void {
    if (!open.passthroughWrites) this.#parts.files.truncateTo(ino, size)
  }

  /**
   * Writes the bytes. If the disk is full before the next measurement, waits for the evictor.
   * `makes`: there may be no backing file yet.
   */
  #put(ino: number, source: Uint8Array, at: number, size: number, makes: boolean): void {
    try {
      this.#parts.files.write(ino, source, at, makes)
    } catch (error) {
      if (codeOf(error) === 'EIO' && !makes) this.#parts.lost.requireBytes(ino)
      if (codeOf(error) !== 'ENOSPC') throw error
      if (at + source.length > size) this.#parts.files.truncate(ino, size)
      const condition: WaitCondition = { kind: 'space', bytes: source.length }
      throw new NotStarted(condition)
    }
  }

  /** Marks a fresh file dirty. The table of open inodes is its only record. */
  #beginFresh(open: OpenInode): void {
    if (open.dirty) return
    open.base = 0
    open.floor = 0
    this.#touch(open)
    open.follow('write')
  }

  /**
   * Moves the record of a fresh file to the database, which has the dirty chunks from then on. Call
   * under the lock.
   */
  #settle(ino: number, open: OpenInode): void {
    if (!open.fresh) return
    const { database, chunks } = this.#parts
    if (open.dirty) {
      database.transaction(() => {
        this.#journalSize(ino, open, WRITTEN)
        // Length 0: as for all written chunks, growth is counted separately.
        chunks.put(ino, { index: 0, state: DIRTY, id: 0, length: 0, accessed: Date.now() })
      })
    }
    open.follow('record')
  }

  /** Marks chunks dirty that were changed by untracked writes. Call under the lock. */
  adopt(ino: number, open: OpenInode, marks: readonly Mark[]): void {
    this.#settle(ino, open)
    this.#begin(ino, open, this.#parts.content.size(ino), marks)
    this.#touch(open)
  }

  /**
   * Sets the size. Commits at once if nobody has the file open. ESTALE if it has no name either: it
   * is about to be deleted. Calls `onCut` before a file gets shorter, under its lock.
   */
  truncate(ino: number, size: number, onCut: () => void): void {
    if (size > filesystemLimits.fileBytes) throw new FsError('EFBIG', 'the file would be too large')
    const { shared, index } = this.#parts
    // Resumed after the commit: the truncate is done.
    if (this.#parts.request.take(COMMITTED, ino)) return
    shared.withInode(ino, () => {
      this.#parts.lost.requireBytes(ino)
      const before = this.#parts.content.size(ino)
      if (!shared.findOpen(ino) && index.isOrphan(ino)) {
        throw new FsError('ESTALE', `inode ${ino} has no name any more`)
      }
      const open = shared.addOpen(ino)
      const wasOpen = open.opens > 0
      try {
        this.#settle(ino, open)
        this.#begin(ino, open, before, [])
        if (size < before) onCut()
        this.#resize(ino, open, before, size)
        this.#touch(open)
        if (!wasOpen) this.#commitCut(ino, open)
      } finally {
        if (!wasOpen) this.#committer.leaveClosed(ino, open)
      }
    })
  }

  #commitCut(ino: number, open: OpenInode): void {
    if (!this.#parts.index.isRemote) this.#committer.commitLocked(ino, open, true)
    else throw new Awaiting({ kind: 'commit', ino, release: true } satisfies WaitCondition)
  }

  #resize(ino: number, open: OpenInode, before: number, size: number): void {
    const { database, chunks, files, shared } = this.#parts
    if (size > before) {
      this.#requireZeros(ino, open, before)
      // So that a surviving table of open inodes does not claim bytes that never existed.
      files.truncate(ino, size)
    }
    open.size = size
    open.floor = Math.min(open.floor, size)
    const beyond = Math.ceil(size / this.#parts.settings.chunkSize)
    if (size < before || chunks.sumFrom(ino, beyond).chunks > 0) this.#cut(ino, open)
    files.truncate(ino, size)
    database.transaction(() => {
      this.#journalSize(ino, open, WRITTEN)
    })
    shared.bumpChunks(ino)
  }

  /**
   * As fallocate(2); the inode is open. Reserved space has blocks of the backing file and counts as
   * used: as clean chunks without an id, which are never evicted.
   */
  allocate(ino: number, offset: number, length: number, mode: number): void {
    const known = FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE
    if ((mode & ~known) !== 0) throw new FsError('EOPNOTSUPP', 'this fallocate mode is unknown')
    if (offset < 0 || length <= 0) throw new FsError('EINVAL', 'an empty or negative range')
    const end = offset + length
    if (end > filesystemLimits.fileBytes) throw new FsError('EFBIG', 'the file would be too large')
    this.#parts.shared.withInode(ino, () => {
      const open = this.#opened(ino)
      this.#parts.lost.requireBytes(ino)
      this.#settle(ino, open)
      const size = this.#parts.content.size(ino)
      const erases = (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0
      const grows = (mode & FALLOC_KEEP_SIZE) === 0 && end > size
      const erased = erases ? Math.min(end, size) - offset : 0
      const plan = erased > 0 ? this.#planErase(ino, offset, offset + erased, size) : NOTHING
      const reserves = (mode & FALLOC_PUNCH_HOLE) === 0
      this.#requireRoom(plan, reserves ? this.#parts.reservations.unreserved(ino, length) : 0)
      this.#begin(ino, open, size, plan.before)
      if (reserves || erased > 0) {
        // `resize` below sets the size, so the backing file keeps its size here.
        this.#parts.files.allocate(ino, mode | FALLOC_KEEP_SIZE, offset, length)
      }
      this.#mark(ino, plan.after, open)
      if (reserves && !open.passthroughWrites) this.#parts.reservations.count(ino, offset, end)
      if (grows) this.#resize(ino, open, size, end)
      this.#touch(open)
    })
  }

  #opened(ino: number): OpenInode {
    const open = this.#parts.shared.findOpen(ino)
    if (open === undefined) throw new FsError('EBADF', `inode ${ino} is not open`)
    return open
  }

  #plan(ino: number, at: number, end: number, size: number): Plan {
    const { chunkSize } = this.#parts.settings
    const known = this.#parts.presence.of(ino)
    const plan: Plan = { before: [], after: [] }
    const last = Math.floor((end - 1) / chunkSize)
    for (let index = Math.floor(at / chunkSize); index <= last; index++) {
      if (known.dirty.has(index)) continue
      if (plan.before.length + plan.after.length === 0) this.#parts.lost.requireBytes(ino)
      this.#planChunk(plan, ino, index, at, end, size)
    }
    return plan
  }

  #planChunk(plan: Plan, ino: number, index: number, at: number, end: number, size: number): void {
    const row = this.#parts.chunks.find(ino, index)
    if (row?.state === DIRTY) {
      this.#parts.presence.of(ino).dirty.add(index)
      return
    }
    const absent = row ? undefined : this.#parts.content.reference(ino, index)
    if (absent === undefined) {
      plan.before.push({ index, row })
      return
    }
    const start = index * this.#parts.settings.chunkSize
    const covered = at <= start && end >= Math.min(size, start + absent.length)
    if (!covered) {
      const condition: WaitCondition = {
        kind: 'chunks',
        ino,
        first: index,
        last: index,
        reading: false,
      }
      throw new NotStarted(condition)
    }
    plan.after.push({ index, row: undefined })
  }

  /** Plans chunks with content only: erasing a hole changes nothing. */
  #planErase(ino: number, at: number, end: number, size: number): Plan {
    const { chunkSize } = this.#parts.settings
    const plan: Plan = { before: [], after: [] }
    const last = Math.floor((end - 1) / chunkSize)
    for (let index = Math.floor(at / chunkSize); index <= last; index++) {
      const here = this.#parts.chunks.from(ino, index, 1)[0]?.index ?? Infinity
      const there = this.#parts.index.findNext(ino, index)?.index ?? Infinity
      index = Math.min(here, there)
      if (index <= last && !this.#parts.reservations.isReserved(ino, index))
        this.#planChunk(plan, ino, index, at, end, size)
    }
    return plan
  }

  #requireRoom(plan: Plan, growth: number): void {
    const { space } = this.#parts
    const fresh = plan.before.length + plan.after.length
    if (fresh === 0 && growth === 0) return
    if (!space.hasRoom(growth)) {
      const condition: WaitCondition = { kind: 'space', bytes: growth }
      throw new NotStarted(condition)
    }
    if (!space.mayPend(growth)) {
      const condition: WaitCondition = { kind: 'unsynced', bytes: growth }
      throw new NotStarted(condition)
    }
    if (space.isOverdue()) {
      const condition: WaitCondition = { kind: 'unsynced', bytes: 0 }
      throw new NotStarted(condition)
    }
  }

  /** Marks the file and the given chunks as different from the committed content. */
  #begin(ino: number, open: OpenInode, size: number, marks: readonly Mark[]): void {
    const begins = !open.dirty
    if (begins) {
      this.#requireLease(ino, open)
      if (!open.committing) open.base = this.#parts.index.file(ino).version
      open.size = size
      open.floor = size
      open.growth = 0
      this.#touch(open)
    }
    if (begins || marks.length > 0) this.#mark(ino, marks, open, begins)
    open.follow('write')
  }

  #requireLease(ino: number, open: OpenInode): void {
    if (!this.#parts.index.isRemote || open.leased) return
    const condition: WaitCondition = { kind: 'lease', ino }
    throw new NotStarted(condition)
  }

  #journalSize(ino: number, open: OpenInode, stage: number): void {
    this.#parts.uncommitted.put({
      ino,
      floor: Math.min(open.floor, open.voidFrom),
      size: open.size,
      stage: stage === WRITTEN && open.noted ? UNTRACKED : stage,
      mtimeSec: 0,
      mtimeNsec: 0,
      base: open.base,
    })
  }

  #mark(ino: number, marks: readonly Mark[], open: OpenInode, begins = false): void {
    if (marks.length === 0 && !begins) return
    const { database, chunks, shared, presence } = this.#parts
    for (const { row } of marks) if (row?.state === PENDING) this.#parts.preImages.save(ino, row)
    const last = marks.at(-1)?.index
    if (last !== undefined) this.#parts.lost.cover(ino, this.#endIn(last, open.size))
    database.transaction(() => {
      if (begins) this.#journalSize(ino, open, WRITTEN)
      for (const { index, row } of marks) {
        const length = row?.length ?? this.#parts.content.extent(index, open.size)
        chunks.put(ino, { index, state: DIRTY, id: 0, length, accessed: Date.now() })
        if (row === undefined) shared.occupy(length)
        if (row === undefined || row.state === CLEAN) shared.add('unsyncedBytes', length)
      }
    })
    const known = presence.of(ino)
    for (const { index } of marks) {
      known.dirty.add(index)
      known.present.add(index)
    }
  }

  /** End of a chunk in a file of `size` bytes. */
  #endIn(index: number, size: number): number {
    return Math.min(size, (index + 1) * this.#parts.settings.chunkSize)
  }

  /** Deletes chunks beyond the new size, and saves pre-images for their uploads. */
  #cut(ino: number, open: OpenInode): void {
    const { database, uploads, chunks, lostTable, shared, settings } = this.#parts
    const { size } = open
    const first = Math.ceil(size / settings.chunkSize)
    const waiting = uploads.of(ino, first).filter((upload) => upload.source === null)
    // The kernel and surviving programs keep using the backing file that they have open.
    const mayMove = size === 0 && open.backing === 0 && !open.outlived
    const preImage =
      mayMove && waiting.length > 0 ? this.#savePreImageOfFile(ino, waiting) : undefined
    if (preImage === undefined)
      for (const upload of waiting) this.#parts.preImages.save(ino, upload)
    const rest = size % settings.chunkSize
    const last = rest === 0 ? undefined : chunks.find(ino, first - 1)
    const crc = last && this.#parts.checks.checksumOfPart(ino, last, Math.min(last.length, rest))
    // A damaged chunk has left the cache.
    const tail = last && chunks.find(ino, last.index)
    if (tail?.state === PENDING) this.#parts.preImages.save(ino, tail)
    const gone = chunks.sumFrom(ino, first)
    database.transaction(() => {
      // In the same transaction: chunks that are not in the backing file cannot be read.
      for (const { seq, index } of preImage === undefined ? [] : waiting)
        uploads.setSource(seq, preImage!, index * settings.chunkSize)
      if (gone.chunks > 0) chunks.deleteFrom(ino, first)
      if (shared.counter('lostChunks') > 0) lostTable.deleteFrom(ino, first)
      if (tail) this.#trimTail(ino, tail, rest, crc)
      // Until the backing file is cut, recovery must not take its length for the size.
      this.#journalSize(ino, open, CUTTING)
    })
    shared.add('usedBytes', -gone.used)
    shared.add('unsyncedBytes', -gone.unsynced)
    shared.bumpChunks(ino)
  }

  /**
   * Trims the chunk at the new end. A pending chunk becomes dirty, to be committed again, shorter.
   */
  #trimTail(ino: number, tail: LocalChunk, length: number, crc: number | undefined): void {
    const { chunks, shared } = this.#parts
    const trimmed = Math.min(tail.length, length)
    const state = tail.state === PENDING ? DIRTY : tail.state
    chunks.put(ino, { ...tail, state, length: trimmed, id: state === DIRTY ? 0 : tail.id })
    if (crc !== undefined) chunks.setCrc(ino, tail.index, crc)
    shared.add('usedBytes', trimmed - tail.length)
    if (tail.state !== CLEAN) shared.add('unsyncedBytes', trimmed - tail.length)
  }

  /** Renames the whole backing file to a pre-image for its uploads. Returns the name. */
  #savePreImageOfFile(ino: number, uploads: readonly Upload[]): string {
    const { files, shared } = this.#parts
    const name = `whole-${ino}-${uploads[0]?.seq ?? 0}`
    shared.bumpChunks(ino)
    files.savePreImageOfFile(ino, name)
    shared.bumpFile(ino)
    return name
  }

  #grow(open: OpenInode, size: number, at: number, end: number): void {
    if (end <= size) return
    const grown = end - Math.max(size, at)
    this.#parts.shared.occupy(grown)
    this.#parts.shared.add('unsyncedBytes', grown)
    open.growth += grown
    open.size = end
  }

  #touch(open: OpenInode): void {
    const time: Timestamp = now()
    open.mtime = time
    open.ctime = time
  }
}

const NOTHING: Plan = { before: [], after: [] }

/** Whether the kernel may have cached other bytes than those that were just written. */
function hasStalePages(open: OpenInode, bypassesPages: boolean): boolean {
  if (open.invalidated) return true
  return bypassesPages && open.filled && open.backing === 0
}

function mustDrop(ino: number, offset: number, length: number, bypassesPages: boolean): Awaiting {
  const condition: WaitCondition = { kind: 'pages', ino, offset, length, isLocked: !bypassesPages }
  return new Awaiting(condition)
}

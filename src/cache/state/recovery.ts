/**
 * Reconciles the node database, the backing files and the metadata after the process ended in any
 * way. Runs alone, before any request is served:
 *
 * - content that was written and not committed is committed as far as it was written;
 * - a commit that is in the journal and not in the metadata is finished;
 * - data of inodes that no longer exist is removed, and so are pre-images that no upload reads;
 * - chunks whose backing file is absent or too short no longer count as present
 *   (cache/checks/lost-chunks.ts);
 * - after a crash of the machine, every clean chunk is read and compared with its CRC-32, and one
 *   that does not match is fetched from the cloud again. After a clean end, so are the chunks of
 *   each file that was changed since.
 */
import { readFileSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { timestampOf } from '../../base/clock.ts'
import type { Logger } from '../../base/log/logger.ts'
import type { FileCommitter } from '../write/file-committer.ts'
import { CLEAN, DIRTY, PENDING, type LocalChunk } from './chunk-table.ts'
import type { Uncommitted } from './uncommitted-table.ts'
import { CUTTING, JOURNALED, UNTRACKED, WRITTEN } from './node-schema.ts'
import type { CacheSettings } from './cache-settings.ts'
import type { SharedState } from './shared-state.ts'
import type { Transactions } from './node-database.ts'
import type { ChunkTable } from './chunk-table.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { UncommittedTable } from './uncommitted-table.ts'
import type { LostChunkTable } from '../checks/lost-chunk-table.ts'
import type { ReplicaTable } from '../replicas/replica-table.ts'
import type { NodeSettings } from './node-settings.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { ChunkIndex } from './chunk-index.ts'
import type { PassthroughWrites } from '../passthrough/passthrough-writes.ts'
import type { CurrentContent } from './current-content.ts'
import type { SupersededUploads } from '../write/superseded-uploads.ts'
import type { LostChunks } from '../checks/lost-chunks.ts'
import type { ChunkChecks } from '../checks/chunk-checks.ts'
import type { UntrackedWrites } from '../passthrough/untracked-writes.ts'
import type { WrittenInode } from './open-table.ts'

const PAGE = 1000

export interface RecoveryOptions {
  /** Only the process died, a moment ago; everything that it wrote is in the files. */
  resumed?: boolean | undefined
  /** Uncommitted content according to its table of open inodes. */
  written?: ReadonlyMap<number, WrittenInode>
}

export interface RecoveryParts {
  settings: CacheSettings
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  uploads: UploadJournal
  uncommitted: UncommittedTable
  lostTable: LostChunkTable
  replicaTable: ReplicaTable
  settingTable: NodeSettings
  files: BackingFiles
  index: ChunkIndex
  passthroughWrites: PassthroughWrites
  content: CurrentContent
  superseded: SupersededUploads
  lost: LostChunks
  checks: ChunkChecks
  untracked: UntrackedWrites
}

export class Recovery {
  readonly #parts: RecoveryParts
  readonly #committer: FileCommitter
  readonly #logger: Logger
  #recovered = 0
  #machineDied = false
  #left: ReadonlyMap<number, WrittenInode> = new Map()
  /** Inodes with passthrough writes that are not committed yet. */
  readonly #untracked = new Set<number>()
  #isResumed = false
  #baseOf = (_ino: number, base: number): number => base
  #isVerified = false

  constructor(parts: RecoveryParts, committer: FileCommitter, logger: Logger) {
    this.#parts = parts
    this.#committer = committer
    this.#logger = logger
  }

  /**
   * `baseOf`: version of a file after the commits on version `base` that were executed although
   * their replies were lost; on a single-node volume the current version.
   */
  run(
    baseOf: (ino: number, base: number) => number,
    { resumed = false, written = new Map() }: RecoveryOptions = {},
  ): void {
    this.#baseOf = baseOf
    this.#left = written
    this.#isResumed = resumed
    const { database, settingTable, uncommitted, index, files } = this.#parts
    const wasClean = settingTable.get('clean') === '1'
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const before = settingTable.get('boot')
    this.#machineDied = !wasClean && before !== undefined && before !== boot
    database.transaction(() => {
      settingTable.set('clean', '0')
      settingTable.set('boot', boot)
    })
    this.#restoreRenamed()
    this.#isVerified = wasClean || !resumed
    this.#parts.lost.count()
    this.#cover()
    if (wasClean || resumed) this.#verifyFiles(wasClean)
    else this.#verify()
    this.#countBytes()
    if (!resumed) for (const ino of uncommitted.mapped()) this.#settleMapped(ino)
    for (const [ino, { fresh, dirty, passthroughWrites }] of this.#left) {
      // Opened for passthrough writes and never written.
      if (!dirty && (files.stat(ino)?.size ?? 0) === 0) continue
      if (fresh) this.#takeFresh(ino)
      if (passthroughWrites && index.exists(ino)) this.#untracked.add(ino)
    }
    this.#finishCommits()
    for (const ino of this.#untracked) this.#commitUntracked(ino)
    this.#settleSuperseded()
    this.#sweepPreImages()
    this.#countBytes()
    if (this.#recovered > 0) this.#logger.info(`recovered ${this.#recovered} files that were open`)
  }

  #countBytes(): void {
    const { chunks, replicaTable, shared } = this.#parts
    const { used, unsynced } = chunks.totals()
    shared.setCounter('usedBytes', used + replicaTable.totals().bytes)
    shared.setCounter('unsyncedBytes', unsynced)
  }

  /**
   * Records that everything is committed and nothing runs, so that the next start verifies less.
   */
  markClean(): void {
    const { database, settingTable } = this.#parts
    database.transaction(() => {
      // A resumed start has not looked for data of deleted inodes; then the next one must.
      settingTable.set('clean', this.#isVerified ? '1' : '0')
      settingTable.set('stopped', String(Date.now()))
    })
  }

  /** Renames a file back if a crash interrupted a truncate before the pre-image was recorded. */
  #restoreRenamed(): void {
    const { uploads, chunks, files, settings } = this.#parts
    for (const name of readdirSync(join(settings.directory, 'aside'))) {
      const ino = Number(/^whole-(\d+)-\d+$/.exec(name)?.[1])
      if (Number.isNaN(ino) || uploads.isSource(name)) continue
      const unused = files.stat(ino) === undefined && chunks.count(ino) > 0
      if (unused) renameSync(files.preImagePath(name), files.path(ino))
    }
  }

  /**
   * Extends backing files of earlier releases, which left out holes at the end of a file: pending
   * chunks there are intact.
   */
  #cover(): void {
    const { database, settingTable, chunks, files } = this.#parts
    if (settingTable.get('covered') !== undefined) return
    for (let after = 0; ;) {
      const page = chunks.lastAfter(after, PAGE)
      for (const { ino } of page) {
        const last = chunks.from(ino, 0, Number.MAX_SAFE_INTEGER).findLast(isOnlyHere)
        if (last === undefined || files.stat(ino) === undefined) continue
        this.#parts.lost.cover(ino, this.#parts.settings.chunkSize * last.index + last.length)
      }
      const last = page.at(-1)
      if (last === undefined) break
      after = last.ino
    }
    database.transaction(() => settingTable.set('covered', '1'))
  }

  /**
   * Checks the length of each backing file and, after a clean end, whether it was changed since.
   */
  #verifyFiles(wasClean: boolean): void {
    const { settingTable, uncommitted, chunks, files, settings, index } = this.#parts
    const stoppedMs = wasClean ? Number(settingTable.get('stopped') ?? Infinity) : Infinity
    // Programs may have changed these by mmap writes since; such changes are valid.
    const mapped = new Set(uncommitted.mapped())
    for (let after = 0; ;) {
      const page = chunks.lastAfter(after, PAGE)
      for (const row of page) {
        const stat = files.stat(row.ino)
        const isLong = (stat?.size ?? 0) >= row.index * settings.chunkSize + row.length
        const isChanged = (stat?.ctimeMs ?? 0) > stoppedMs && !mapped.has(row.ino)
        if ((!isLong || isChanged) && index.exists(row.ino)) this.#verifyFile(row.ino, isChanged)
      }
      const last = page.at(-1)
      if (last === undefined) return
      after = last.ino
    }
  }

  #verify(): void {
    let after = 0
    for (;;) {
      const page = this.#parts.chunks.inodesAfter(after, PAGE)
      for (const ino of page) this.#verifyInode(ino)
      const last = page.at(-1)
      if (last === undefined) return
      after = last
    }
  }

  #verifyInode(ino: number): void {
    const { index, shared } = this.#parts
    if (index.exists(ino)) this.#verifyFile(ino, this.#machineDied)
    else shared.withInode(ino, () => this.#committer.forgetLocked(ino))
  }

  /** `isChanged`: the bytes may differ from the committed ones. */
  #verifyFile(ino: number, isChanged: boolean): void {
    const { uncommitted, chunks, index, shared } = this.#parts
    const open = uncommitted.find(ino)
    // The bytes on the disk are the content, not those in the cloud.
    if (open?.stage === UNTRACKED) return
    shared.withInode(ino, () => {
      this.#parts.lost.settleShort(ino, open?.size ?? index.file(ino).size)
      if (!isChanged) return
      const rows = chunks.from(ino, 0, Number.MAX_SAFE_INTEGER)
      const states = new Map(rows.map((row) => [row, this.#parts.checks.check(ino, row)]))
      const doubtful = rows.filter((row) => {
        return row.state === CLEAN && row.id !== 0 && states.get(row) !== 'intact'
      })
      this.#parts.lost.giveUp(ino, doubtful, 'their bytes were changed, or did not survive')
      for (const row of rows) {
        if (row.state === PENDING && states.get(row) === 'damaged')
          this.#parts.checks.dropDamaged(ino, row)
      }
    })
  }

  /**
   * Takes over a file of which only the table of open inodes has a record. After a crash of the
   * machine, data that did not reach the disk is lost: it was not synced.
   */
  #takeFresh(ino: number): void {
    const { database, uncommitted, chunks, index, files } = this.#parts
    if (!index.exists(ino)) {
      files.remove(ino)
      return
    }
    const isKnown = uncommitted.find(ino) ?? chunks.find(ino, 0)
    if (this.#machineDied || isKnown || index.file(ino).version > 0) return
    database.transaction(() => {
      const times = { mtimeSec: 0, mtimeNsec: 0 }
      uncommitted.put({ ino, floor: 0, size: 0, stage: WRITTEN, ...times, base: 0 })
      chunks.put(ino, { index: 0, state: DIRTY, id: 0, length: 0, accessed: Date.now() })
    })
  }

  /** Marks chunks with mmap writes dirty. Programs that survived the mount may still write. */
  #settleMapped(ino: number): void {
    const { database, uncommitted, chunks, files, index, shared } = this.#parts
    shared.withInode(ino, () => {
      const isHere = index.exists(ino) && files.stat(ino) !== undefined
      if (isHere && files.hasWriters(ino)) {
        const open = shared.addOpen(ino)
        open.mapped = true
        open.seenMs = -1
        return
      }
      // The metadata has no size of a deleted inode.
      const size = isHere ? this.#parts.content.size(ino) : 0
      const marks = this.#parts.untracked.changed(ino, { size, voidFrom: Infinity })
      database.transaction(() => {
        uncommitted.deleteMapped(ino)
        if (marks.length === 0) return
        for (const { index: at, row } of marks) {
          const length = row?.length ?? this.#parts.content.extent(at, index.file(ino).size)
          chunks.put(ino, { index: at, state: DIRTY, id: 0, length, accessed: Date.now() })
        }
        if (!uncommitted.find(ino)) uncommitted.put(this.#written(ino))
      })
    })
  }

  #written(ino: number): Uncommitted {
    const { size, version } = this.#parts.index.file(ino)
    const times = { mtimeSec: 0, mtimeNsec: 0 }
    return { ino, floor: size, size, stage: WRITTEN, ...times, base: version }
  }

  #finishCommits(): void {
    let after = 0
    for (;;) {
      const page = this.#parts.uncommitted.after(after, PAGE)
      for (const row of page) this.#finishCommit(row)
      const last = page.at(-1)
      if (last === undefined) return
      after = last.ino
    }
  }

  #finishCommit(row: Uncommitted): void {
    const { database, uncommitted, index, shared } = this.#parts
    shared.withInode(row.ino, () => {
      if (!index.exists(row.ino)) this.#committer.forgetLocked(row.ino)
      else if (row.stage === UNTRACKED && this.#isAsCommitted(row))
        database.transaction(() => uncommitted.delete(row.ino))
      else if (row.stage !== JOURNALED) this.#commitWritten(row)
      else if (this.#isCarriedOut(row))
        database.transaction(() => uncommitted.deleteJournaled(row.ino))
      else if (this.#isMissing(row)) this.#repeatCommit(row)
      else database.transaction(() => uncommitted.deleteJournaled(row.ino))
    })
  }

  /**
   * Whether passthrough writes were possible and none happened: version, size and chunks are as
   * committed.
   */
  #isAsCommitted({ ino, floor, base }: Uncommitted): boolean {
    const { files, index } = this.#parts
    const { size, version } = index.file(ino)
    if (version !== base || (files.stat(ino)?.size ?? 0) !== size) return false
    return this.#parts.untracked.changed(ino, { size, voidFrom: floor }).length === 0
  }

  /** As `#commitWritten`, for a file without a record of writes since its last commit. */
  #commitUntracked(ino: number): void {
    this.#parts.shared.withInode(ino, () => {
      this.#commitWritten(this.#written(ino))
    })
  }

  /** Commits a file that was open; size and time are those of its backing file. */
  #commitWritten(row: Uncommitted): void {
    const { shared, files } = this.#parts
    if (row.stage === CUTTING) files.truncate(row.ino, row.size)
    const wasUntracked = this.#untracked.delete(row.ino) || row.stage === UNTRACKED
    // The table of open inodes was lost with the machine, and every chunk was compared anyway.
    const isUntracked = wasUntracked || (this.#machineDied && !this.#parts.index.isRemote)
    const stat = files.stat(row.ino)
    // Programs that survived the mount may still write to it.
    const isWritten = isUntracked && !this.#isResumed && files.hasWriters(row.ino)
    const open = shared.addOpen(row.ino)
    const left = this.#machineDied ? undefined : this.#left.get(row.ino)
    open.size = Math.max(row.size, stat?.size ?? 0, left?.size ?? 0)
    open.floor = row.floor
    open.base = this.#baseOf(row.ino, row.base)
    // An empty file may have been preallocated long before, so its mtime is not that of a write.
    const writtenMs = stat?.size === 0 ? stat.ctimeMs : stat?.mtimeMs
    const known = isUntracked && left?.seenMs !== stat?.mtimeMs ? undefined : left?.mtime
    open.mtime = known ?? timestampOf(writtenMs ?? Date.now())
    open.ctime = left?.ctime ?? open.mtime
    open.follow('write')
    if (isUntracked && !open.passthroughWrites) open.followWriters('begin')
    if (isUntracked) open.seenMs = files.stat(row.ino)?.mtimeMs ?? -1
    this.#recovered += 1
    // With a remote metadata store the commit is made later, when the node runs.
    if (this.#parts.index.isRemote) return
    this.#committer.commitLocked(row.ino, open)
    if (isWritten) this.#parts.passthroughWrites.outlive(row.ino, open)
    if (open.opens === 0) shared.removeOpen(row.ino)
  }

  /**
   * Whether the commit was executed although its reply was lost. Others may have committed since.
   */
  #isCarriedOut({ ino, base }: Uncommitted): boolean {
    return this.#baseOf(ino, base) !== base
  }

  /** Whether the journal has chunks, or another size, that the metadata lacks. */
  #isMissing({ ino, base }: Uncommitted): boolean {
    const { uploads, index } = this.#parts
    // No commit since.
    if (index.file(ino).version === base) return true
    const pending = this.#pending(ino)
    if (pending.length === 0) return !uploads.has(ino)
    return pending.some((chunk) => index.find(ino, chunk.index)?.id !== chunk.id)
  }

  #pending(ino: number): { index: number; id: number; length: number }[] {
    const rows = this.#parts.chunks.from(ino, 0, Number.MAX_SAFE_INTEGER)
    return rows.filter((row) => row.state === PENDING)
  }

  /** Lost chunks of the commit that is to be repeated. */
  #lost(ino: number): { index: number; id: number; length: number }[] {
    const { lostTable, index } = this.#parts
    const lost = lostTable.of(ino).filter(({ id }) => id !== 0)
    return lost.filter((chunk) => index.find(ino, chunk.index)?.id !== chunk.id)
  }

  #repeatCommit(row: Uncommitted): void {
    const { database, uncommitted, index, files } = this.#parts
    if (index.isRemote) {
      this.#leaveCommit(row)
      return
    }
    const mtime = { sec: row.mtimeSec, nsec: row.mtimeNsec }
    const blocks = files.stat(row.ino)?.blocks ?? 0
    const { size, floor } = row
    index.commit(row.ino, {
      size,
      floor,
      blocks,
      mtime,
      ctime: mtime,
      chunks: [...this.#pending(row.ino), ...this.#lost(row.ino)],
    })
    database.transaction(() => {
      uncommitted.deleteJournaled(row.ino)
    })
    this.#recovered += 1
  }

  /** Leaves the journaled commit to the running node. */
  #leaveCommit({ ino, size, floor, base, mtimeSec, mtimeNsec }: Uncommitted): void {
    const open = this.#parts.shared.addOpen(ino)
    open.size = size
    open.commitFloor = floor
    open.base = this.#baseOf(ino, base)
    open.mtime = { sec: mtimeSec, nsec: mtimeNsec }
    open.ctime = open.mtime
    open.follow('resume')
    this.#recovered += 1
  }

  /** A commit that is still to be made settles what it replaces itself. */
  #settleSuperseded(): void {
    const { uploads, shared } = this.#parts
    for (const ino of uploads.inodesWithSuperseded()) {
      shared.withInode(ino, () => {
        if (shared.findOpen(ino)?.committing !== true) this.#parts.superseded.settle(ino)
      })
    }
  }

  #sweepPreImages(): void {
    const { uploads, files, settings } = this.#parts
    for (const name of readdirSync(join(settings.directory, 'aside'))) {
      if (!uploads.isSource(name)) files.removePreImage(name)
    }
  }
}

/** Whether the cloud lacks the chunk: its bytes are in the backing file, with a hole at the end. */
function isOnlyHere({ state, length }: LocalChunk): boolean {
  return state !== CLEAN && length > 0
}

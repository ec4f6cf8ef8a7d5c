/**
 * Commits, and the open and release of inodes. A commit gives every dirty chunk an id, adds it to
 * the upload journal, and then makes size, times and chunk ids visible in the metadata together;
 * commit-steps.ts has the steps. Uploads that it replaces in the journal are kept until the
 * metadata has the commit (superseded-uploads.ts).
 *
 * Invariant: an inode that is open, or has content that the metadata lacks, has an entry in the
 * table of open inodes.
 */
import { NotStarted } from '../../base/suspended.ts'
import { now } from '../../base/clock.ts'
import { FsError } from '../../base/fs-error.ts'
import type { CommitSteps, PreparedCommit } from './commit-steps.ts'
import { WRITER_LISTED, type WaitCondition } from '../waiting/wait-condition.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { CurrentRequest } from '../../base/current-request.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { UncommittedTable } from '../state/uncommitted-table.ts'
import type { LostChunkTable } from '../checks/lost-chunk-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { RequestJournal } from '../state/request-journal.ts'
import type { KernelBackings } from '../passthrough/kernel-backings.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { PassthroughWrites } from '../passthrough/passthrough-writes.ts'
import type { DeletedFiles } from './deleted-files.ts'
import type { VoidBytes } from '../passthrough/void-bytes.ts'
import { DIRECT, OPEN, WRITING, WRITING_LIMIT, type OpenInode } from '../state/open-inode.ts'
import { endPassthrough } from '../passthrough/passthrough.ts'

/** Who has an inode open: programs through the kernel, or code of this process. */
export type User = 'kernel' | 'here'

export interface Opening {
  by: User
  /** The inode was created without a name, for this user. */
  orphans?: boolean
  /**
   * It may write. `maps`: and map the file shared and writable, if no other node has it open for
   * writing.
   */
  writing?: { maps: boolean } | undefined
  /** Whether the kernel bypasses its page cache; called under the lock of the inode. */
  isDirect?: (open: OpenInode) => boolean
}

export interface OpenedInode {
  /** See FileCommitter.requireKept. */
  epoch: number
  isDirect: boolean
}

/** An open by the kernel. */
interface KernelUse {
  isDirect: boolean
  isWriting: boolean
}

/** The release of an open. */
export interface Leaving {
  by: User
  /** As it was when the file was opened. */
  isDirect?: boolean
  /** It may have written. */
  wrote?: boolean
}

export interface FileCommitterParts {
  commits: CommitSteps
  settings: CacheSettings
  request: CurrentRequest
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  uncommitted: UncommittedTable
  lostTable: LostChunkTable
  files: BackingFiles
  journal: RequestJournal
  backings: KernelBackings
  index: ChunkIndex
  passthroughWrites: PassthroughWrites
  deletions: DeletedFiles
  voidBytes: VoidBytes
}

export class FileCommitter {
  readonly #parts: FileCommitterParts

  constructor(parts: FileCommitterParts) {
    this.#parts = parts
  }

  /** Commits the uncommitted writes of an inode; does nothing if there are none. */
  commit(ino: number, release = false): void {
    this.#parts.shared.withInode(ino, () => {
      const open = this.#parts.shared.findOpen(ino)
      if (open === undefined) return
      this.commitLocked(ino, open, release)
      if (open.opens === 0) this.leaveClosed(ino, open)
    })
  }

  /**
   * Call when nobody has the inode open. Removes its entry, or on a single-node volume queues the
   * commit if the entry has content that the metadata lacks.
   */
  leaveClosed(ino: number, open: OpenInode): void {
    const { shared, index } = this.#parts
    if (!open.ahead && !open.leased) shared.removeOpen(ino)
    else if (!index.isRemote) open.queued ||= shared.closed.put(ino)
  }

  /**
   * Commits a file before its location is reported, if no other node can see the difference: it may
   * have been closed a moment ago.
   */
  commitAsked(ino: number): void {
    const { shared, index } = this.#parts
    if (!index.isRemote && shared.mayBeOpen(ino)) this.commit(ino)
  }

  /** ESTALE if writes since an epoch may have been overtaken by a commit of another node. */
  requireKept(ino: number, isOfEpoch: (epoch: number) => boolean): void {
    const { shared } = this.#parts
    const epoch = shared.withInode(ino, () => shared.findOpen(ino)?.epoch)
    if (epoch === undefined || isOfEpoch(epoch)) return
    throw new FsError('ESTALE', `what was written to inode ${ino} was overtaken by another node`)
  }

  /**
   * Whether there is nothing to commit. An unlinked file is deleted with its last user, so it needs
   * no commit, unless other nodes may have it open.
   */
  #isCommitted(open: OpenInode): boolean {
    return !open.ahead || (open.unlinked && !this.#parts.index.isRemote)
  }

  /** As `commit`, for a caller that has the lock of the inode. */
  commitLocked(ino: number, open: OpenInode, release = false): void {
    this.#parts.passthroughWrites.measure(ino, open)
    if (this.#isCommitted(open)) return
    const { index } = this.#parts
    if (index.isRemote) {
      const condition: WaitCondition = { kind: 'commit', ino, release }
      throw new NotStarted(condition)
    }
    const prepared = this.#prepareLocked(ino, open)
    try {
      index.commit(ino, prepared.content)
    } catch (error) {
      this.#parts.commits.undo(ino, open, prepared)
      throw error
    }
    this.#parts.commits.finish(ino, open, prepared)
  }

  #prepareLocked(ino: number, open: OpenInode): PreparedCommit {
    const planned = this.#parts.commits.plan(ino, open)
    if (open.dirty) this.#parts.database.transaction(() => this.#parts.commits.journal(planned))
    return this.#parts.commits.take(planned)
  }

  /**
   * As `commit`, for a file that nobody waits for. On a single-node volume the commit of a small
   * file is left to group-commit.ts.
   */
  commitSoon(ino: number): void {
    this.#parts.shared.withInode(ino, () => {
      const open = this.#parts.shared.findOpen(ino)
      if (open && !this.#defer(ino, open)) this.commitLocked(ino, open, true)
    })
  }

  /** Queues the commit. False: it must be made now. */
  #defer(ino: number, open: OpenInode): boolean {
    const { shared, index, settings } = this.#parts
    if (index.isRemote || !shared.isPersistent) return false
    this.#parts.passthroughWrites.measure(ino, open)
    if (this.#isCommitted(open) || open.queued) return true
    if (open.mapped || open.size >= settings.passthroughFromBytes) return false
    open.queued = shared.closed.put(ino)
    return open.queued
  }

  /**
   * Journals the uncommitted content for a commit that takes time; undefined: there is none.
   * `release`: later writes need a new write lease.
   */
  prepare(ino: number, release: boolean): PreparedCommit | undefined {
    const { shared } = this.#parts
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open === undefined) return undefined
      if (release) open.leased = false
      if (!this.#isCommitted(open)) return this.#prepareLocked(ino, open)
      if (open.opens === 0 && !open.leased) shared.removeOpen(ino)
      return undefined
    })
  }

  /**
   * Discards uncommitted writes. The journal is kept: parts of it may belong to the committed
   * content, and the caller drops the rest after comparing the two.
   */
  discard(ino: number): void {
    const { database, chunks, lostTable, uncommitted, shared } = this.#parts
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open) {
        this.#forgetWritten(open)
        open.epoch += 1
      }
      const rows = chunks.dirty(ino)
      const lost = lostTable.of(ino)
      database.transaction(() => {
        for (const { index } of rows) chunks.delete(ino, index)
        for (const { index, id } of lost) if (id === 0) lostTable.delete(ino, index)
        uncommitted.delete(ino)
      })
      for (const { index } of rows) this.#parts.voidBytes.drop(ino, index)
      const bytes = rows.reduce((sum, row) => sum + row.length, 0)
      shared.add('usedBytes', -bytes)
      shared.add('unsyncedBytes', -bytes)
      shared.bumpChunks(ino)
      if (open?.opens === 0 && !open.leased) shared.removeOpen(ino)
    })
  }

  /** The metadata has the content; `version` is its version there. */
  finish(ino: number, prepared: PreparedCommit, version: number): void {
    this.#parts.shared.withInode(ino, () => {
      const open = this.#parts.shared.findOpen(ino)
      if (open === undefined) return
      open.base = Math.max(open.base, version)
      this.#parts.commits.finish(ino, open, prepared)
      const isUsed = open.opens > 0 || open.ahead || open.leased
      if (!isUsed) this.#parts.shared.removeOpen(ino)
    })
  }

  /**
   * Adds a user to an existing inode. ESTALE if its last name was removed and nobody on this node
   * has it open: another node may be about to delete it. The kernel then looks the name up again.
   */
  open(ino: number, { by, orphans = false, writing, isDirect }: Opening): OpenedInode {
    const { shared, index } = this.#parts
    return shared.withInode(ino, () => {
      const { nlink, version, size } = index.file(ino)
      const isGoing = index.isRemote && nlink === 0 && !orphans
      if (isGoing && !isUsed(shared.findOpen(ino))) {
        throw new FsError('ESTALE', `inode ${ino} has no name any more`)
      }
      if (writing && index.isRemote) this.#requireListed(ino, writing.maps)
      const isNew = shared.findOpen(ino) === undefined
      const open = shared.addOpen(ino)
      if (open.kernelOpens === 0) open.filled = false
      if (open.opens === 0) open.invalidated = false
      const isEmpty = shared.isPersistent && !index.isRemote && version === 0 && size === 0
      if (isNew && isEmpty) open.follow('create')
      if (nlink === 0 && !orphans && !index.isRemote) markOrphan(open, by === 'kernel')
      if (by === 'here') open.opens += 1
      const how = { isDirect: isDirect?.(open) === true, isWriting: writing !== undefined }
      const uses = by === 'kernel' ? this.#enter(ino, open, how) : OPEN
      return { epoch: open.epoch, isDirect: uses % WRITING >= DIRECT }
    })
  }

  /**
   * Waits until the coordinator lists the inode as open for writing on this node. It is asked again
   * for an open that would map the file.
   */
  #requireListed(ino: number, maps: boolean): void {
    const open = this.#parts.shared.findOpen(ino)
    const isAsked = this.#parts.request.take(WRITER_LISTED, ino) !== undefined
    if (open?.listed === true && (open.mayMap || isAsked || !maps)) {
      if (open.writingOpens < WRITING_LIMIT - 1) return
      throw new FsError('ENFILE', `inode ${ino} is open for writing ${open.writingOpens} times`)
    }
    const condition: WaitCondition = { kind: 'writing', ino }
    throw new NotStarted(condition)
  }

  /**
   * Whether the coordinator lists the inode as open for writing, and no program on this node has it
   * open for writing any more.
   */
  isLeft(ino: number): boolean {
    const { shared } = this.#parts
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      return open?.listed === true && open.writingOpens === 0
    })
  }

  /** If `isLeft`, removes the inode from the list and calls `tell` under its lock. */
  unlist(ino: number, tell: () => void): void {
    const { shared } = this.#parts
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.listed !== true || open.writingOpens > 0) return
      open.listed = false
      open.mayMap = false
      tell()
      if (open.opens === 0 && !open.ahead && !open.leased) shared.removeOpen(ino)
    })
  }

  /** Counts an open by the kernel once, and returns the amount that was counted. */
  #enter(ino: number, open: OpenInode, how: KernelUse): number {
    const { journal } = this.#parts
    const before = journal.counted()
    if (before !== undefined) return before
    const uses = this.#usesOf(how)
    journal.count(ino, open, uses)
    open.opens += 1
    return uses
  }

  /**
   * Removes a user. The release of the last user, or of one that wrote, commits. The commit is left
   * to housekeeping where it takes time, because nobody could receive an error. True: the inode has
   * no name; purge it.
   */
  release(ino: number, leaving: Leaving): boolean {
    const { shared } = this.#parts
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open === undefined) return false
      const commits = open.opens === 1 || leaving.wrote === true
      if (commits && !this.#defer(ino, open)) this.#commitLast(ino, open, leaving)
      if (!this.#leave(ino, open, leaving)) return false
      const isWritten = open.backing !== 0 || open.outlived
      const isAtRest = !isWritten && (!open.dirty || open.unlinked)
      if (isAtRest && open.passthroughWrites) this.#parts.passthroughWrites.end(ino, open)
      return this.#end(ino, open)
    })
  }

  /** FORGET by the kernel. True: nobody has the inode open and it has no name; purge it. */
  forget(ino: number): boolean {
    const { shared } = this.#parts
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.known !== true) return false
      open.known = false
      return this.#end(ino, open)
    })
  }

  /** Removes the entry of an inode that nobody uses. True: the inode has no name; purge it. */
  #end(ino: number, open: OpenInode): boolean {
    const { shared, index } = this.#parts
    if (isUsed(open)) return false
    if (index.isRemote) {
      if (!open.ahead && !open.leased) shared.removeOpen(ino)
      return false
    }
    const { unlinked } = open
    if (unlinked) {
      this.#forgetGrowth(open)
      open.mapped = false
      open.followWriters('end')
    }
    // The entry may belong to another inode from here on.
    if (!open.ahead || unlinked) shared.removeOpen(ino)
    return unlinked
  }

  /**
   * Keeps an inode whose last name was removed, for those that have it open and until the kernel
   * sends FORGET (`forget`). False: too many inodes are open. Call under its lock.
   */
  keepOrphan(ino: number): boolean {
    const { shared } = this.#parts
    const open = shared.hasFree() ? shared.addOpen(ino) : shared.findOpen(ino)
    if (open === undefined) return false
    markOrphan(open, true)
    return true
  }

  /** Commits; the user is removed even if the commit fails. */
  #commitLast(ino: number, open: OpenInode, leaving: Leaving): void {
    if (this.#parts.index.isRemote) return
    try {
      this.commitLocked(ino, open, true)
    } catch (error) {
      this.#leave(ino, open, leaving)
      open.queued ||= this.#parts.shared.closed.put(ino)
      throw error
    }
  }

  /** False: an earlier process has counted this release. */
  #leave(ino: number, open: OpenInode, { by, isDirect = false, wrote }: Leaving): boolean {
    if (by === 'kernel') {
      const { journal } = this.#parts
      if (journal.counted() !== undefined) return false
      // Earlier releases did not count writing opens.
      const isWriting = wrote === true && open.writingOpens > 0
      journal.count(ino, open, -this.#usesOf({ isDirect, isWriting }))
    }
    open.opens -= 1
    if (open.kernelOpens === 0) endPassthrough(this.#parts, open)
    return true
  }

  #usesOf({ isDirect, isWriting }: KernelUse): number {
    const writing = isWriting && this.#parts.index.isRemote ? WRITING : 0
    return OPEN + (isDirect ? DIRECT : 0) + writing
  }

  /** Takes back the bytes counted for a file that will never be committed. */
  #forgetGrowth(open: OpenInode): void {
    this.#parts.shared.add('usedBytes', -open.growth)
    this.#parts.shared.add('unsyncedBytes', -open.growth)
    open.growth = 0
  }

  #forgetWritten(open: OpenInode): void {
    this.#forgetGrowth(open)
    open.follow('discard')
  }

  /** Deletes the chunks and uploads of an inode that was deleted. Call under the lock. */
  forgetLocked(ino: number): void {
    const open = this.#parts.shared.findOpen(ino)
    if (open) {
      this.#forgetWritten(open)
      open.mapped = false
      this.#parts.passthroughWrites.end(ino, open)
    }
    this.#parts.deletions.delete([ino])
  }

  /**
   * Queues the deletion of a small inode without name, user and entry, for group-commit.ts. False:
   * it must be purged now.
   */
  purgeSoon(ino: number): boolean {
    const { shared, index, settings } = this.#parts
    return index.file(ino).size < settings.passthroughFromBytes && shared.closed.put(ino)
  }

  /**
   * fsync: makes the file survive a power loss of this node, and commits it. While the kernel
   * writes the file, the commit is left for later, unless the policy makes the caller wait
   * (`waits`).
   */
  sync(ino: number, waits: () => boolean): void {
    const { database, files, index } = this.#parts
    files.sync(ino)
    if (!this.#noteWrites(ino) || waits()) this.commit(ino)
    database.sync()
    index.sync()
  }

  /** Records passthrough writes. False: the kernel does not write the file. */
  #noteWrites(ino: number): boolean {
    return this.#parts.shared.withInode(ino, () => {
      const open = this.#parts.shared.findOpen(ino)
      const isWritten = open?.passthroughWrites === true && open.backing !== 0
      if (isWritten) {
        this.#parts.passthroughWrites.record(ino, open)
        open.synced = true
      }
      return isWritten
    })
  }

  /**
   * Sets times by utimens, so that the commit of earlier writes keeps them. Call under the lock.
   */
  setTimes(ino: number, mtime: { sec: number; nsec: number } | undefined): void {
    const open = this.#parts.shared.findOpen(ino)
    if (open) this.#parts.passthroughWrites.measure(ino, open)
    if (open?.dirty !== true) return
    if (mtime) open.mtime = mtime
    open.ctime = now()
  }
}

/**
 * Marks an inode without a name, which its last user deletes. An open may come after the inode was
 * queued for deletion: the program looked up the name while it was removed.
 */
function markOrphan(open: OpenInode, isKnown: boolean): void {
  open.unlinked = true
  open.known ||= isKnown
}

/** Whether programs have it open, or may be about to open it. */
function isUsed(open: OpenInode | undefined): boolean {
  return open !== undefined && (open.opens > 0 || open.known)
}

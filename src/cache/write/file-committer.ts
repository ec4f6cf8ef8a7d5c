/**
 * Commits and the end of files. A commit gives every dirty chunk an id, puts it into the upload
 * journal, and then makes size, times and chunks visible in the metadata together (commit-steps.ts
 * has the steps). What it replaces in the journal stays at hand until the metadata has taken it
 * (superseded-uploads.ts). Files that are open, or written and not committed, have an entry in the
 * table of open inodes.
 */
import { Suspended, takeResult } from '../../base/suspended.ts'
import { now } from '../../base/clock.ts'
import { FsError } from '../../base/fs-error.ts'
import { CommitSteps, type PreparedCommit } from './commit-steps.ts'
import { deleteFiles } from './deleted-files.ts'
import {
  endPassthroughWrites,
  measure,
  recordPassthroughWrites,
} from '../passthrough/passthrough-writes.ts'
import { writingKey, type WaitCondition } from '../waiting/wait-condition.ts'
import type { NodeCache } from '../state/node-cache.ts'
import { DIRECT, OPEN, WRITING, WRITING_LIMIT, type OpenInode } from '../state/open-inode.ts'
import { dropBytes, endPassthrough } from '../passthrough/passthrough.ts'

/** Who has an inode open: programs by way of the kernel, or somebody in this process. */
export type User = 'kernel' | 'here'

export interface Opening {
  by: User
  /** It was made without a name, for this user. */
  orphans?: boolean
  /** It may write; `maps`: and map it shared and writable, where no other node writes it. */
  writing?: { maps: boolean } | undefined
  /** Whether the kernel is to bypass its page cache; asked under the inode's lock. */
  isDirect?: (open: OpenInode) => boolean
}

export interface OpenedInode {
  /** See FileCommitter.requireKept. */
  epoch: number
  isDirect: boolean
}

/** Of an open by the kernel. */
interface KernelUse {
  isDirect: boolean
  isWriting: boolean
}

/** One user less. */
export interface Leaving {
  by: User
  /** As it was when the file was opened. */
  isDirect?: boolean
  /** It may have written. */
  wrote?: boolean
}

export class FileCommitter {
  readonly #cache: NodeCache
  readonly #steps: CommitSteps

  constructor(cache: NodeCache) {
    this.#cache = cache
    this.#steps = new CommitSteps(cache)
  }

  /** Makes what was written to the inode visible; nothing where nothing was. */
  commit(ino: number, release = false): void {
    this.#cache.shared.withInode(ino, () => {
      const open = this.#cache.shared.findOpen(ino)
      if (open === undefined) return
      this.commitLocked(ino, open, release)
      if (open.opens === 0) this.leaveClosed(ino, open)
    })
  }

  /** Nobody has it open: its entry goes, unless it says what the metadata does not know yet. */
  leaveClosed(ino: number, open: OpenInode): void {
    const { shared, index } = this.#cache
    if (!open.ahead && !open.leased) shared.removeOpen(ino)
    else if (!index.isRemote) open.queued ||= shared.closed.put(ino)
  }

  /**
   * Somebody asks where the bytes are. Where nobody else could see the difference, what was written
   * is committed: it may have been closed a moment ago.
   */
  commitAsked(ino: number): void {
    const { shared, index } = this.#cache
    if (!index.isRemote && shared.mayBeOpen(ino)) this.commit(ino)
  }

  /** ESTALE where what may have been written since an epoch was overtaken by another node. */
  requireKept(ino: number, isOfEpoch: (epoch: number) => boolean): void {
    const { shared } = this.#cache
    const epoch = shared.withInode(ino, () => shared.findOpen(ino)?.epoch)
    if (epoch === undefined || isOfEpoch(epoch)) return
    throw new FsError('ESTALE', `what was written to inode ${ino} was overtaken by another node`)
  }

  /** A file without a name goes with its last user: other nodes may have some. */
  #isCommitted(open: OpenInode): boolean {
    return !open.ahead || (open.unlinked && !this.#cache.index.isRemote)
  }

  /** As `commit`, by a caller that holds the inode's lock. */
  commitLocked(ino: number, open: OpenInode, release = false): void {
    measure(this.#cache, ino, open)
    if (this.#isCommitted(open)) return
    const { index } = this.#cache
    if (index.isRemote) {
      const condition: WaitCondition = { kind: 'commit', ino, release }
      throw new Suspended(condition)
    }
    const prepared = this.#prepareLocked(ino, open)
    try {
      index.commit(ino, prepared.content)
    } catch (error) {
      this.#steps.undo(ino, open, prepared)
      throw error
    }
    this.#steps.finish(ino, open, prepared)
  }

  #prepareLocked(ino: number, open: OpenInode): PreparedCommit {
    const planned = this.#steps.plan(ino, open)
    if (open.dirty) this.#cache.database.transaction(() => this.#steps.journal(planned))
    return this.#steps.take(planned)
  }

  /**
   * As `commit`, of a file that nobody waits for: a small one is left to group-commit.ts, where
   * only this node may write it.
   */
  commitSoon(ino: number): void {
    this.#cache.shared.withInode(ino, () => {
      const open = this.#cache.shared.findOpen(ino)
      if (open && !this.#defer(ino, open)) this.commitLocked(ino, open, true)
    })
  }

  /** False: it has to be committed now. */
  #defer(ino: number, open: OpenInode): boolean {
    const { shared, index, settings } = this.#cache
    if (index.isRemote || !shared.isPersistent) return false
    measure(this.#cache, ino, open)
    if (this.#isCommitted(open) || open.queued) return true
    if (open.mapped || open.size >= settings.passthroughFromBytes) return false
    open.queued = shared.closed.put(ino)
    return open.queued
  }

  /**
   * Journals what is not committed, for a commit that takes a while; undefined: nothing is.
   * `release`: who writes from here on needs a new lease.
   */
  prepare(ino: number, release: boolean): PreparedCommit | undefined {
    const { shared } = this.#cache
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
   * What was written and is not committed goes. What the journal has stays: parts of it may be of
   * the committed content, and whoever compares the two afterwards drops the rest.
   */
  discard(ino: number): void {
    const { database, shared } = this.#cache
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open) {
        this.#forgetWritten(open)
        open.epoch += 1
      }
      const rows = database.dirtyChunks(ino)
      const lost = database.lostOf(ino)
      database.transaction(() => {
        for (const { index } of rows) database.deleteChunk(ino, index)
        for (const { index, id } of lost) if (id === 0) database.deleteLost(ino, index)
        database.deleteUncommitted(ino)
      })
      for (const { index } of rows) dropBytes(this.#cache, ino, index)
      const bytes = rows.reduce((sum, row) => sum + row.length, 0)
      shared.add('usedBytes', -bytes)
      shared.add('unsyncedBytes', -bytes)
      shared.bumpChunks(ino)
      if (open?.opens === 0 && !open.leased) shared.removeOpen(ino)
    })
  }

  /** The metadata has the content; `version` is its version there. */
  finish(ino: number, prepared: PreparedCommit, version: number): void {
    this.#cache.shared.withInode(ino, () => {
      const open = this.#cache.shared.findOpen(ino)
      if (open === undefined) return
      open.base = Math.max(open.base, version)
      this.#steps.finish(ino, open, prepared)
      const isUsed = open.opens > 0 || open.ahead || open.leased
      if (!isUsed) this.#cache.shared.removeOpen(ino)
    })
  }

  /**
   * One user more of an inode that exists. ESTALE where its last name is gone and nobody here has
   * it open: elsewhere it may be about to go (the kernel looks the name up again then).
   */
  open(ino: number, { by, orphans = false, writing, isDirect }: Opening): OpenedInode {
    const { shared, index } = this.#cache
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
      if (isNew) open.fresh = shared.isPersistent && !index.isRemote && version === 0 && size === 0
      if (by === 'here') open.opens += 1
      const how = { isDirect: isDirect?.(open) === true, isWriting: writing !== undefined }
      const uses = by === 'kernel' ? this.#enter(ino, open, how) : OPEN
      return { epoch: open.epoch, isDirect: uses % WRITING >= DIRECT }
    })
  }

  /** Other nodes know that it is open for writing here; asked again for who would map it. */
  #requireListed(ino: number, maps: boolean): void {
    const open = this.#cache.shared.findOpen(ino)
    const isAsked = takeResult(writingKey(ino)) !== undefined
    if (open?.listed === true && (open.mayMap || isAsked || !maps)) {
      if (open.writingOpens < WRITING_LIMIT - 1) return
      throw new FsError('ENFILE', `inode ${ino} is open for writing ${open.writingOpens} times`)
    }
    const condition: WaitCondition = { kind: 'writing', ino }
    throw new Suspended(condition)
  }

  /** Programs had it open for writing, and have not any more: other nodes are to know. */
  isLeft(ino: number): boolean {
    const { shared } = this.#cache
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      return open?.listed === true && open.writingOpens === 0
    })
  }

  /** As `isLeft`, and `tell` is called under the lock; nobody is known to write it from then on. */
  unlist(ino: number, tell: () => void): void {
    const { shared } = this.#cache
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.listed !== true || open.writingOpens > 0) return
      open.listed = false
      open.mayMap = false
      tell()
      if (open.opens === 0 && !open.ahead && !open.leased) shared.removeOpen(ino)
    })
  }

  /** Counts an open by the kernel, once; returns as what it was counted. */
  #enter(ino: number, open: OpenInode, how: KernelUse): number {
    const { journal } = this.#cache
    const before = journal.counted()
    if (before !== undefined) return before
    const uses = this.#usesOf(how)
    journal.count(ino, open, uses)
    open.opens += 1
    return uses
  }

  /**
   * One user less; the last one commits, and one that wrote, or leaves it to housekeeping where
   * that takes a while: nobody is there to be told of a failure. True: the inode has no name, purge
   * it.
   */
  release(ino: number, leaving: Leaving): boolean {
    const { shared } = this.#cache
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open === undefined) return false
      const commits = open.opens === 1 || leaving.wrote === true
      if (commits && !this.#defer(ino, open)) this.#commitLast(ino, open, leaving)
      if (!this.#leave(ino, open, leaving)) return false
      const isWritten = open.backing !== 0 || open.outlived
      const isAtRest = !isWritten && (!open.dirty || open.unlinked)
      if (isAtRest && open.passthroughWrites) endPassthroughWrites(this.#cache, ino, open)
      return this.#end(ino, open)
    })
  }

  /** The kernel has let go of an inode. True: nobody has it any more, and no name; purge it. */
  forget(ino: number): boolean {
    const { shared } = this.#cache
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.known !== true) return false
      open.known = false
      return this.#end(ino, open)
    })
  }

  /** True: it is of no use any more, and its entry is gone. */
  #end(ino: number, open: OpenInode): boolean {
    const { shared, index } = this.#cache
    if (isUsed(open)) return false
    if (index.isRemote) {
      if (!open.ahead && !open.leased) shared.removeOpen(ino)
      return false
    }
    const { unlinked } = open
    if (unlinked) {
      this.#forgetGrowth(open)
      open.mapped = false
      open.outlived = false
    }
    // Its entry is another inode's from here on.
    if (!open.ahead || unlinked) shared.removeOpen(ino)
    return unlinked
  }

  /**
   * The last name of an inode is gone: it stays for those who have it open, and until the kernel
   * has forgotten it (`forget`). False: too many inodes are kept already. Under its lock.
   */
  keepOrphan(ino: number): boolean {
    const { shared } = this.#cache
    const open = shared.hasFree() ? shared.addOpen(ino) : shared.findOpen(ino)
    if (open === undefined) return false
    open.unlinked = true
    open.known = true
    return true
  }

  /** Whatever the commit ends with, the user is gone. */
  #commitLast(ino: number, open: OpenInode, leaving: Leaving): void {
    if (this.#cache.index.isRemote) return
    try {
      this.commitLocked(ino, open, true)
    } catch (error) {
      this.#leave(ino, open, leaving)
      open.queued ||= this.#cache.shared.closed.put(ino)
      throw error
    }
  }

  /** False: it left already, in an earlier process. */
  #leave(ino: number, open: OpenInode, { by, isDirect = false, wrote }: Leaving): boolean {
    if (by === 'kernel') {
      const { journal } = this.#cache
      if (journal.counted() !== undefined) return false
      // An earlier version has not counted those that write.
      const isWriting = wrote === true && open.writingOpens > 0
      journal.count(ino, open, -this.#usesOf({ isDirect, isWriting }))
    }
    open.opens -= 1
    if (open.kernelOpens === 0) endPassthrough(this.#cache, open)
    return true
  }

  #usesOf({ isDirect, isWriting }: KernelUse): number {
    const writing = isWriting && this.#cache.index.isRemote ? WRITING : 0
    return OPEN + (isDirect ? DIRECT : 0) + writing
  }

  /** What was counted for a file that will never be committed. */
  #forgetGrowth(open: OpenInode): void {
    this.#cache.shared.add('usedBytes', -open.growth)
    this.#cache.shared.add('unsyncedBytes', -open.growth)
    open.growth = 0
  }

  #forgetWritten(open: OpenInode): void {
    this.#forgetGrowth(open)
    open.dirty = false
    open.fresh = false
    open.committing = false
  }

  /** The inode is gone: so are its bytes here, and its uploads. Under the lock. */
  forgetLocked(ino: number): void {
    const open = this.#cache.shared.findOpen(ino)
    if (open) {
      this.#forgetWritten(open)
      open.mapped = false
      endPassthroughWrites(this.#cache, ino, open)
    }
    deleteFiles(this.#cache, [ino])
  }

  /**
   * The end of an inode that has no name and no user, nor an entry: a small one is left to
   * group-commit.ts. False: it has to go now.
   */
  purgeSoon(ino: number): boolean {
    const { shared, index, settings } = this.#cache
    return index.file(ino).size < settings.passthroughFromBytes && shared.closed.put(ino)
  }

  /**
   * fsync: safe from the loss of power on this node, and committed; where the kernel goes on
   * writing it, and nobody `waits` for more, later.
   */
  sync(ino: number, waits: () => boolean): void {
    const { database, files, index } = this.#cache
    files.sync(ino)
    if (!this.#noteWrites(ino) || waits()) this.commit(ino)
    database.sync()
    index.sync()
  }

  /** False: the kernel does not write it. */
  #noteWrites(ino: number): boolean {
    return this.#cache.shared.withInode(ino, () => {
      const open = this.#cache.shared.findOpen(ino)
      const isWritten = open?.passthroughWrites === true && open.backing !== 0
      if (isWritten) {
        recordPassthroughWrites(this.#cache, ino, open)
        open.synced = true
      }
      return isWritten
    })
  }

  /** A time set by utimens outlives the commit of what was written before it. Under the lock. */
  setTimes(ino: number, mtime: { sec: number; nsec: number } | undefined): void {
    const open = this.#cache.shared.findOpen(ino)
    if (open) measure(this.#cache, ino, open)
    if (open?.dirty !== true) return
    if (mtime) open.mtime = mtime
    open.ctime = now()
  }
}

/** Programs have it open, or are about to open it. */
function isUsed(open: OpenInode | undefined): boolean {
  return open !== undefined && (open.opens > 0 || open.known)
}

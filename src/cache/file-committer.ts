/**
 * Commits and the end of files. A commit gives every dirty chunk an id, puts it into the upload
 * journal, and then makes size, times and chunks visible in the metadata together. In this order a
 * crash in between is made good by recovery: the journal says what the metadata may lack. What it
 * replaces in the journal stays at hand until the metadata has taken it (superseded-uploads.ts).
 */
import { Blocked } from '../base/blocked.ts'
import { now } from '../base/clock.ts'
import { FsError } from '../base/fs-error.ts'
import { removeAsides, setAside } from './aside-files.ts'
import type { Content } from './chunk-index.ts'
import type { Need } from './need.ts'
import { DIRTY, JOURNALED, PENDING, WRITTEN, type LocalChunk } from './node-database.ts'
import type { NodeCache } from './node-cache.ts'
import type { OpenInode } from './open-inode.ts'
import { dropSuperseded, settleSuperseded } from './superseded-uploads.ts'
import { dropBytes, endPassthrough } from './passthrough.ts'

/** A commit that is in the journal, on its way to the metadata. */
export interface PreparedCommit {
  content: Content
  /** Chunks that were dirty. */
  rows: readonly LocalChunk[]
}

/** Who has an inode open: programs by way of the kernel, or somebody in this process. */
export type User = 'kernel' | 'here'

export class FileCommitter {
  readonly #cache: NodeCache

  constructor(cache: NodeCache) {
    this.#cache = cache
  }

  /** Makes what was written to the inode visible; nothing where nothing was. */
  commit(ino: number, release = false): void {
    this.#cache.shared.withInode(ino, () => {
      const open = this.#cache.shared.findOpen(ino)
      if (open) this.commitLocked(ino, open, release)
    })
  }

  /** ESTALE where what may have been written since that epoch was overtaken by another node. */
  requireKept(ino: number, epoch: number): void {
    const { shared } = this.#cache
    if (shared.withInode(ino, () => shared.findOpen(ino)?.epoch ?? epoch) === epoch) return
    throw new FsError('ESTALE', `what was written to inode ${ino} was overtaken by another node`)
  }

  /** A file without a name goes with its last user: other nodes may have some. */
  #isCommitted(open: OpenInode): boolean {
    return !open.ahead || (open.unlinked && !this.#cache.index.isRemote)
  }

  /** As `commit`, by a caller that holds the inode's lock. */
  commitLocked(ino: number, open: OpenInode, release = false): void {
    if (this.#isCommitted(open)) return
    const { index } = this.#cache
    if (index.isRemote) {
      const need: Need = { kind: 'commit', ino, release }
      throw new Blocked(need)
    }
    const prepared = this.#prepareLocked(ino, open)
    try {
      index.commit(ino, prepared.content)
    } catch (error) {
      this.#unjournal(ino, open, prepared)
      throw error
    }
    this.#finishLocked(ino, open, prepared)
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
      database.transaction(() => {
        for (const { index } of rows) database.deleteChunk(ino, index)
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
      this.#finishLocked(ino, open, prepared)
      const isUsed = open.opens > 0 || open.ahead || open.leased
      if (!isUsed) this.#cache.shared.removeOpen(ino)
    })
  }

  #prepareLocked(ino: number, open: OpenInode): PreparedCommit {
    const { database, shared, index } = this.#cache
    const rows = open.dirty ? database.dirtyChunks(ino) : []
    const fresh = rows
      .filter((row) => this.#cache.extent(row.index, open.size) > 0)
      .map((row) => ({
        index: row.index,
        id: index.nextChunkId(),
        length: this.#cache.extent(row.index, open.size),
      }))
    const blocks = this.#blocks(ino, open, index.file(ino).blocks)
    const floor = Math.min(open.voidFrom, open.size)
    if (open.dirty) this.#journal(ino, open, rows, fresh)
    // What was committed stays as it was, whatever is written to the file unseen.
    if (open.mapped) for (const chunk of fresh) setAside(this.#cache, ino, chunk)
    const chunks = open.committing ? this.#journaled(ino) : fresh
    const { size, mtime, ctime } = open
    const base = index.isRemote ? open.base : undefined
    if (open.dirty) this.#account(open, rows, fresh)
    open.commitFloor = floor
    open.dirty = false
    open.committing = true
    open.growth = 0
    shared.bumpChunks(ino)
    return { content: { size, floor, blocks, mtime, ctime, chunks, base }, rows }
  }

  /** Chunks that the journal has and the metadata does not. */
  #journaled(ino: number): Content['chunks'] {
    const { database, index } = this.#cache
    const uploads = database.uploadsOf(ino, 0)
    return uploads.filter((upload) => index.find(ino, upload.index)?.id !== upload.id)
  }

  #finishLocked(ino: number, open: OpenInode, { content }: PreparedCommit): void {
    const { database, shared } = this.#cache
    open.committing = false
    if (content.chunks.length === 0 && !open.dirty) {
      database.transaction(() => database.deleteUncommitted(ino))
    }
    dropSuperseded(this.#cache, ino)
    shared.bumpChunks(ino)
    shared.announceCommit()
  }

  #journal(
    ino: number,
    open: OpenInode,
    rows: readonly LocalChunk[],
    chunks: Content['chunks'],
  ): void {
    const { database, settings } = this.#cache
    const voidFrom = Math.ceil(Math.min(open.floor, open.size) / settings.chunkSize)
    const committedMs = Date.now()
    database.transaction(() => {
      const overwritten = rows.flatMap((row) => database.upload(ino, row.index) ?? [])
      for (const upload of [...overwritten, ...database.uploadsOf(ino, voidFrom)]) {
        database.supersedeUpload(upload.seq)
      }
      for (const { index, id, length } of chunks) {
        const sourceOffset = index * settings.chunkSize
        database.addUpload({ ino, index, id, length, committedMs, sourceOffset })
        database.putChunk(ino, { index, state: PENDING, id, length, accessed: committedMs })
      }
      database.putUncommitted({
        ino,
        floor: open.voidFrom,
        size: open.size,
        stage: JOURNALED,
        mtimeSec: open.mtime.sec,
        mtimeNsec: open.mtime.nsec,
        base: open.base,
      })
    })
  }

  /** The metadata refused: the chunks are dirty still, and the next commit takes them again. */
  #unjournal(ino: number, open: OpenInode, { rows, content }: PreparedCommit): void {
    const { database, shared } = this.#cache
    const { size, floor } = content
    database.transaction(() => {
      for (const row of rows) {
        const upload = database.upload(ino, row.index)
        if (upload) database.deleteUpload(upload.seq)
        const length = this.#cache.extent(row.index, size)
        if (length > 0) database.putChunk(ino, { ...row, state: DIRTY, id: 0, length })
      }
      const { base } = open
      database.putUncommitted({ ino, floor, size, stage: WRITTEN, mtimeSec: 0, mtimeNsec: 0, base })
    })
    open.committing = false
    open.dirty = true
    open.floor = floor
    settleSuperseded(this.#cache, ino)
    shared.bumpChunks(ino)
  }

  /** What was counted while writing was an estimate; the chunks' lengths are exact. */
  #account(
    open: OpenInode,
    rows: readonly LocalChunk[],
    chunks: readonly { length: number }[],
  ): void {
    const counted = rows.reduce((sum, row) => sum + row.length, open.growth)
    const exact = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    this.#cache.shared.add('usedBytes', exact - counted)
    this.#cache.shared.add('unsyncedBytes', exact - counted)
  }

  /** 512-byte blocks: exact where all of the file is here, else at least what is. */
  #blocks(ino: number, open: OpenInode, committed: number): number {
    const { database, index, files } = this.#cache
    const here = files.stat(ino)?.blocks ?? 0
    if (open.voidFrom === 0 || database.countChunks(ino) >= index.count(ino)) return here
    return Math.max(here, Math.min(committed, Math.ceil(open.size / 4096) * 8))
  }

  /**
   * One user more of an inode that exists. ESTALE where its last name is gone and nobody here has
   * it open: elsewhere it may be about to go (the kernel looks the name up again then). `nameless`:
   * it was made so, for this user. Returns the epoch (requireKept).
   */
  open(ino: number, { by, nameless = false }: { by: User; nameless?: boolean }): number {
    const { shared, index, journal } = this.#cache
    return shared.withInode(ino, () => {
      const { nlink } = index.file(ino)
      const isGoing = index.isRemote && nlink === 0 && !nameless
      if (isGoing && !((shared.findOpen(ino)?.opens ?? 0) > 0)) {
        throw new FsError('ESTALE', `inode ${ino} has no name any more`)
      }
      const open = shared.addOpen(ino)
      if (open.opens === 0) open.forgotten = false
      if (by === 'kernel' && !journal.count(ino, open, 1)) return open.epoch
      open.opens += 1
      return open.epoch
    })
  }

  /**
   * One user less; the last one commits, or leaves it to housekeeping where that takes a while:
   * nobody is there to be told of a failure. True: the inode has no name, purge it.
   */
  release(ino: number, by: User): boolean {
    const { shared, index } = this.#cache
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open === undefined) return false
      if (open.opens === 1 && !index.isRemote) this.#commitLast(ino, open, by)
      if (!this.#leave(ino, open, by)) return false
      if (open.opens > 0) return false
      if (index.isRemote) {
        if (!open.ahead && !open.leased) shared.removeOpen(ino)
        return false
      }
      if (open.unlinked) {
        this.#forgetGrowth(open)
        open.mapped = false
      }
      if (!open.ahead || open.unlinked) shared.removeOpen(ino)
      return open.unlinked
    })
  }

  /** Whatever the commit ends with, the user is gone. */
  #commitLast(ino: number, open: OpenInode, by: User): void {
    try {
      this.commitLocked(ino, open, true)
    } catch (error) {
      this.#leave(ino, open, by)
      throw error
    }
  }

  /** False: it left already, in an earlier process. */
  #leave(ino: number, open: OpenInode, by: User): boolean {
    if (by === 'kernel' && !this.#cache.journal.count(ino, open, -1)) return false
    open.opens -= 1
    if (open.kernelOpens === 0) endPassthrough(this.#cache, open)
    return true
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
    open.committing = false
  }

  /** The inode is gone: so are its bytes here, and its uploads. Under the lock. */
  forgetLocked(ino: number): void {
    const { database, files, shared } = this.#cache
    const open = shared.findOpen(ino)
    if (open) {
      this.#forgetWritten(open)
      open.mapped = false
    }
    const held = database.sumFrom(ino, 0)
    const [uploads, superseded] = [database.uploadsOf(ino, 0), database.supersededOf(ino)]
    const sources = [...uploads, ...superseded].flatMap((upload) => upload.source ?? [])
    if (held.chunks > 0 || sources.length + uploads.length > 0 || database.uncommitted(ino)) {
      database.transaction(() => {
        database.deleteChunksFrom(ino, 0)
        for (const { seq } of uploads) database.deleteUpload(seq)
        for (const { seq } of superseded) database.deleteSuperseded(seq)
        database.deleteUncommitted(ino)
      })
    }
    shared.add('usedBytes', -held.used)
    shared.add('unsyncedBytes', -held.unsynced)
    shared.bumpChunks(ino)
    shared.bumpFile(ino)
    files.remove(ino)
    removeAsides(database, files, sources)
  }

  /** fsync: committed, and safe from the loss of power on this node. */
  sync(ino: number): void {
    const { database, files, index } = this.#cache
    files.sync(ino)
    this.commit(ino)
    database.sync()
    index.sync()
  }

  /** A time set by utimens outlives the commit of what was written before it. */
  setTimes(ino: number, mtime: { sec: number; nsec: number } | undefined): void {
    const { shared } = this.#cache
    if (!shared.mayBeOpen(ino)) return
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.dirty !== true) return
      if (mtime) open.mtime = mtime
      open.ctime = now()
    })
  }
}

/**
 * Commits and the end of files. A commit gives every dirty chunk an id, puts it into the upload
 * journal, and then makes size, times and chunks visible in the metadata together. In this order a
 * crash in between is made good by recovery: the journal says what the metadata may lack.
 */
import { now } from '../base/clock.ts'
import { removeAsides } from './aside-files.ts'
import { DIRTY, JOURNALED, PENDING, WRITTEN, type LocalChunk } from './node-database.ts'
import type { NodeCache } from './node-cache.ts'
import type { OpenInode } from './shared-state.ts'

export class FileCommitter {
  readonly #cache: NodeCache

  constructor(cache: NodeCache) {
    this.#cache = cache
  }

  /** Makes what was written to the inode visible; nothing where nothing was. */
  commit(ino: number): void {
    this.#cache.shared.withInode(ino, () => {
      const open = this.#cache.shared.findOpen(ino)
      if (open) this.commitLocked(ino, open)
    })
  }

  /** As `commit`, by a caller that holds the inode's lock. */
  commitLocked(ino: number, open: OpenInode): void {
    if (!open.dirty) return
    if (open.unlinked) return
    const { database, shared, index, files } = this.#cache
    const rows = database.dirtyChunks(ino)
    const chunks = rows
      .filter((row) => this.#cache.extent(row.index, open.size) > 0)
      .map((row) => ({
        index: row.index,
        id: index.nextChunkId(),
        length: this.#cache.extent(row.index, open.size),
      }))
    const previous = index.file(ino)
    const blocks = this.#blocks(ino, open, previous.blocks)
    const dropped = this.#journal(ino, open, rows, chunks)
    try {
      const { size, floor, mtime, ctime } = open
      index.commit(ino, { size, floor, blocks, mtime, ctime, chunks })
    } catch (error) {
      this.#unjournal(ino, open, rows)
      throw error
    }
    if (chunks.length === 0) database.transaction(() => database.deleteUncommitted(ino))
    shared.add('volumeBytes', open.size - previous.size)
    this.#account(open, rows, chunks)
    open.dirty = false
    open.growth = 0
    shared.bumpChunks(ino)
    shared.announceCommit()
    removeAsides(database, files, dropped)
  }

  /** Returns the set-aside files of uploads that this commit supersedes. */
  #journal(
    ino: number,
    open: OpenInode,
    rows: readonly LocalChunk[],
    chunks: readonly { index: number; id: number; length: number }[],
  ): string[] {
    const { database, settings } = this.#cache
    const voidFrom = Math.ceil(Math.min(open.floor, open.size) / settings.chunkSize)
    const committedMs = Date.now()
    const dropped: string[] = []
    database.transaction(() => {
      const overwritten = rows.flatMap((row) => database.upload(ino, row.index) ?? [])
      for (const upload of [...overwritten, ...database.uploadsOf(ino, voidFrom)]) {
        database.deleteUpload(upload.seq)
        if (upload.source !== null) dropped.push(upload.source)
      }
      for (const { index, id, length } of chunks) {
        const sourceOffset = index * settings.chunkSize
        database.addUpload({ ino, index, id, length, committedMs, sourceOffset })
        database.putChunk(ino, { index, state: PENDING, id, length, accessed: committedMs })
      }
      database.putUncommitted({
        ino,
        floor: open.floor,
        size: open.size,
        stage: JOURNALED,
        mtimeSec: open.mtime.sec,
        mtimeNsec: open.mtime.nsec,
      })
    })
    return dropped
  }

  /** The metadata refused: the chunks are dirty still, and the next commit takes them again. */
  #unjournal(ino: number, open: OpenInode, rows: readonly LocalChunk[]): void {
    const { database } = this.#cache
    database.transaction(() => {
      for (const row of rows) {
        const upload = database.upload(ino, row.index)
        if (upload) database.deleteUpload(upload.seq)
        database.putChunk(ino, { ...row, state: DIRTY, id: 0 })
      }
      const { floor, size } = open
      database.putUncommitted({ ino, floor, size, stage: WRITTEN, mtimeSec: 0, mtimeNsec: 0 })
    })
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
    if (open.floor === 0 || database.countChunks(ino) >= index.count(ino)) return here
    return Math.max(here, Math.min(committed, Math.ceil(open.size / 4096) * 8))
  }

  /** One user more of an inode that exists. */
  open(ino: number): void {
    this.#cache.shared.withInode(ino, () => {
      this.#cache.index.file(ino)
      this.#cache.shared.addOpen(ino).opens += 1
    })
  }

  /** One user less; the last one commits. True: the inode has no name, purge it. */
  release(ino: number): boolean {
    const { shared } = this.#cache
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open === undefined) return false
      open.opens -= 1
      if (open.opens > 0) return false
      try {
        this.commitLocked(ino, open)
      } finally {
        if (open.unlinked) this.#forgetGrowth(open)
        if (!open.dirty || open.unlinked) shared.removeOpen(ino)
      }
      return open.unlinked
    })
  }

  /** What was counted for a file that will never be committed. */
  #forgetGrowth(open: OpenInode): void {
    this.#cache.shared.add('usedBytes', -open.growth)
    this.#cache.shared.add('unsyncedBytes', -open.growth)
    open.growth = 0
  }

  /** The inode is gone: so are its bytes here, and its uploads. Under the lock. */
  forgetLocked(ino: number): void {
    const { database, files, shared } = this.#cache
    const held = database.sumFrom(ino, 0)
    const uploads = database.uploadsOf(ino, 0)
    if (held.chunks > 0 || uploads.length > 0 || database.uncommitted(ino)) {
      database.transaction(() => {
        database.deleteChunksFrom(ino, 0)
        for (const upload of uploads) database.deleteUpload(upload.seq)
        database.deleteUncommitted(ino)
      })
    }
    shared.add('usedBytes', -held.used)
    shared.add('unsyncedBytes', -held.unsynced)
    shared.bumpChunks(ino)
    shared.bumpFile(ino)
    files.remove(ino)
    const sources = uploads.flatMap((upload) => upload.source ?? [])
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

/**
 * Files that programs may write to by way of memory, unseen: opened for reading and writing while
 * the kernel reads them by itself (passthrough.ts). Such a mapping is of the backing file, and
 * outlives the descriptor that it was made with; nothing tells of its writes, nor of its end.
 *
 * So the file is looked at whenever it is closed or synced, and every second: where it was changed,
 * what differs from the committed content is committed. Its chunks that wait for upload are kept
 * aside at once, so that a committed content never changes under its id.
 *
 * That a file was changed shows in the time of its last change: a page that was synced is read-only
 * until the first write to it, which sets that time. That its last writer is gone shows when a read
 * lease can be had (fcntl(2)), which needs that nobody has the file open for writing.
 */
import { cacheLimits } from '../limits.ts'
import { savePreImage } from '../write/pre-images.ts'
import type { FileWriter } from '../write/file-writer.ts'
import type { NodeCache } from '../state/node-cache.ts'
import type { OpenInode } from '../state/open-inode.ts'
import { changedChunks } from '../state/untracked-writes.ts'

export class MmapWrites {
  readonly #cache: NodeCache
  readonly #writer: FileWriter

  constructor(cache: NodeCache, writer: FileWriter) {
    this.#cache = cache
    this.#writer = writer
  }

  /** From here on the file may change unseen; under the inode's lock. */
  begin(ino: number, open: OpenInode): void {
    if (open.mapped) return
    const { database } = this.#cache
    for (const upload of database.uploadsOf(ino, 0)) savePreImage(this.#cache, ino, upload)
    database.transaction(() => {
      database.addMmapWritten(ino)
    })
    open.seenMs = -1
    open.mapped = true
  }

  /** What was written unseen counts as written from here on. */
  absorb(ino: number): void {
    const { shared, files } = this.#cache
    if (!shared.mayBeOpen(ino)) return
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.mapped !== true) return
      const nowMs = Date.now()
      const changedMs = files.stat(ino)?.mtimeMs ?? -1
      if (changedMs === open.seenMs && !open.passthroughWrites) return
      // In this order: what is written from here on sets a later time.
      files.sync(ino)
      const content = { size: this.#cache.sizeOf(ino), voidFrom: Infinity }
      const marks = changedChunks(this.#cache, ino, content)
      if (marks.length > 0) this.#writer.adopt(ino, open, marks)
      open.seenMs = nowMs - changedMs > cacheLimits.fileClockMs ? changedMs : -1
    })
  }

  /** Inodes that are to be looked at. */
  inodes(): number[] {
    return this.#cache.shared.mappedInodes()
  }

  /** Threads of this process that wrote to such files have them open as well: they are to close. */
  releaseFiles(): void {
    const { shared } = this.#cache
    for (const ino of this.inodes()) shared.withInode(ino, () => shared.bumpFile(ino))
    shared.beginFileEpoch()
  }

  /** Ends what has ended: nobody can write to the file unseen any more, and all is committed. */
  settle(ino: number): void {
    const { shared, files } = this.#cache
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.mapped !== true || open.ahead) return
      if (files.hasWriters(ino) || files.stat(ino)?.mtimeMs !== open.seenMs) return
      this.#end(ino)
    })
  }

  /**
   * The mount has ended: what was written so far counts as written. While programs that outlive it
   * have the file mapped, the database says so, and the next process goes on looking.
   */
  mountEnded(ino: number): void {
    const { shared, files } = this.#cache
    shared.withInode(ino, () => shared.bumpFile(ino))
    this.absorb(ino)
    shared.withInode(ino, () => {
      if (!files.hasWriters(ino)) this.#end(ino)
    })
  }

  #end(ino: number): void {
    const { shared, database } = this.#cache
    const open = shared.findOpen(ino)
    if (open) open.mapped = false
    database.transaction(() => {
      database.deleteMmapWritten(ino)
    })
    if (open?.opens === 0 && !open.leased && !open.ahead) shared.removeOpen(ino)
  }
}

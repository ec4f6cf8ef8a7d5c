/**
 * Finds mmap writes: writes through shared writable mappings of files that were opened for reading
 * and writing during passthrough reads (passthrough.ts). Such a mapping is of the backing file and
 * outlives its descriptor. The kernel reports neither its writes nor its end.
 *
 * A file is therefore examined at every close and sync, and every second. If it was changed, chunks
 * that differ from the committed content are committed. Pre-images of its pending chunks are saved
 * at the start, so that a committed content never changes under its id.
 *
 * Changes are detected by mtime: a synced page is read-only until the first write to it, which sets
 * the mtime. The last writer is gone when a read lease can be taken (fcntl(2)), which requires that
 * nobody has the file open for writing.
 */
import { cacheLimits } from '../limits.ts'
import type { FileWriter } from '../write/file-writer.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { UncommittedTable } from '../state/uncommitted-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { CurrentContent } from '../state/current-content.ts'
import type { PreImages } from '../write/pre-images.ts'
import type { UntrackedWrites } from './untracked-writes.ts'
import type { OpenInode } from '../state/open-inode.ts'

export interface MmapWritesParts {
  shared: SharedState
  database: Transactions
  uploads: UploadJournal
  uncommitted: UncommittedTable
  files: BackingFiles
  content: CurrentContent
  preImages: PreImages
  untracked: UntrackedWrites
}

export class MmapWrites {
  readonly #parts: MmapWritesParts
  readonly #writer: FileWriter

  constructor(parts: MmapWritesParts, writer: FileWriter) {
    this.#parts = parts
    this.#writer = writer
  }

  /** From here on mmap writes are possible. Call under the lock of the inode. */
  begin(ino: number, open: OpenInode): void {
    if (open.mapped) return
    const { database, uploads, uncommitted } = this.#parts
    for (const upload of uploads.of(ino, 0)) this.#parts.preImages.save(ino, upload)
    database.transaction(() => {
      uncommitted.addMapped(ino)
    })
    open.seenMs = -1
    open.mapped = true
  }

  /** Marks chunks with mmap writes dirty. */
  absorb(ino: number): void {
    const { shared, files } = this.#parts
    if (!shared.mayBeOpen(ino)) return
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.mapped !== true) return
      const nowMs = Date.now()
      const changedMs = files.stat(ino)?.mtimeMs ?? -1
      if (changedMs === open.seenMs && !open.passthroughWrites) return
      // In this order: later writes set a later time.
      files.sync(ino)
      const content = { size: this.#parts.content.size(ino), voidFrom: Infinity }
      const marks = this.#parts.untracked.changed(ino, content)
      if (marks.length > 0) this.#writer.adopt(ino, open, marks)
      open.seenMs = nowMs - changedMs > cacheLimits.fileClockMs ? changedMs : -1
    })
  }

  /** Inodes to examine. */
  inodes(): number[] {
    return this.#parts.shared.mappedInodes()
  }

  /**
   * Makes threads of this process close their descriptors of such files, which count as writers.
   */
  releaseFiles(): void {
    const { shared } = this.#parts
    for (const ino of this.inodes()) shared.withInode(ino, () => shared.bumpFile(ino))
    shared.beginFileEpoch()
  }

  /** Ends the tracking of a file that nobody can write to by mmap any more, if all is committed. */
  settle(ino: number): void {
    const { shared, files } = this.#parts
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.mapped !== true || open.ahead) return
      if (files.hasWriters(ino) || files.stat(ino)?.mtimeMs !== open.seenMs) return
      this.#end(ino)
    })
  }

  /**
   * Call when the mount has ended: marks what was written so far. While surviving programs have the
   * file mapped, it stays in the database, and the next process continues to examine it.
   */
  mountEnded(ino: number): void {
    const { shared, files } = this.#parts
    shared.withInode(ino, () => shared.bumpFile(ino))
    this.absorb(ino)
    shared.withInode(ino, () => {
      if (!files.hasWriters(ino)) this.#end(ino)
    })
  }

  #end(ino: number): void {
    const { shared, database, uncommitted } = this.#parts
    const open = shared.findOpen(ino)
    if (open) open.mapped = false
    database.transaction(() => {
      uncommitted.deleteMapped(ino)
    })
    if (open?.opens === 0 && !open.leased && !open.ahead) shared.removeOpen(ino)
  }
}

/**
 * Finds untracked writes: chunks whose bytes differ from the committed content, written by the
 * kernel (cache/passthrough/passthrough-writes.ts) or through memory maps
 * (cache/passthrough/mmap-writes.ts). Chunks are compared with the checksums in the metadata, which
 * costs reading all committed chunks of the file.
 */
import { crc32 } from 'node:zlib'
import { SEEK_DATA } from '../../base/native-calls.ts'
import type { CommittedChunk } from '../state/chunk-index.ts'
import { DIRTY, PENDING, type LocalChunk } from '../state/chunk-table.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { CurrentContent } from '../state/current-content.ts'

/** A chunk, and its row in the node database. */
export interface Mark {
  index: number
  row: LocalChunk | undefined
}

/** The current content. */
export interface UntrackedContent {
  /** Bytes. */
  size: number
  /** The chunks of the metadata from this offset on are void. */
  voidFrom: number
}

export interface UntrackedWritesParts {
  settings: CacheSettings
  index: ChunkIndex
  chunks: ChunkTable
  uploads: UploadJournal
  files: BackingFiles
  content: CurrentContent
}

export class UntrackedWrites {
  readonly #parts: UntrackedWritesParts

  constructor(parts: UntrackedWritesParts) {
    this.#parts = parts
  }

  /** Chunks that have changed and are not dirty. Call under the lock of the inode. */
  changed(ino: number, content: UntrackedContent): Mark[] {
    const { chunkSize } = this.#parts.settings
    const marks: Mark[] = []
    for (let at = 0; at * chunkSize < content.size;) {
      const row = this.#parts.chunks.find(ino, at)
      const committed =
        at * chunkSize < content.voidFrom ? this.#parts.index.find(ino, at) : undefined
      if (row ? this.#hasChanged(ino, row, content) : !committed && this.#dataFrom(ino, at) === at)
        marks.push({ index: at, row })
      at = (row ?? committed) ? at + 1 : this.#nextOf(ino, at, content)
    }
    return marks
  }

  /** Index of the chunk with the next data; Infinity if there is none. */
  #dataFrom(ino: number, at: number): number {
    const { files, settings } = this.#parts
    const data = files.seek(ino, at * settings.chunkSize, SEEK_DATA)
    return data < 0 ? Infinity : Math.floor(data / settings.chunkSize)
  }

  /** The next chunk to check after one without row and reference; holes are skipped at once. */
  #nextOf(ino: number, at: number, { voidFrom }: UntrackedContent): number {
    const next = at + 1
    const { index, chunks, settings } = this.#parts
    const committed = index.findNext(ino, next)?.index ?? Infinity
    return Math.max(
      next,
      Math.min(
        this.#dataFrom(ino, next),
        chunks.from(ino, next, 1)[0]?.index ?? Infinity,
        committed * settings.chunkSize < voidFrom ? committed : Infinity,
      ),
    )
  }

  #hasChanged(ino: number, row: LocalChunk, content: UntrackedContent) {
    if (row.state === DIRTY || this.#isCut(ino, row)) return false
    if (
      row.length < this.#parts.content.extent(row.index, content.size) &&
      this.#hasGrown(ino, row)
    )
      return true
    const committed = this.#parts.index.find(ino, row.index)
    return row.state === PENDING
      ? this.#isPendingChanged(ino, row)
      : !this.#isAsCommitted(ino, row, committed)
  }

  /**
   * Whether the backing file is too short. That is a loss (cache/checks/lost-chunks.ts), not a
   * change.
   */
  #isCut(ino: number, { index, length }: LocalChunk) {
    const { files, settings } = this.#parts
    return (files.stat(ino)?.size ?? 0) < index * settings.chunkSize + length
  }

  /** Whether there is data after the bytes of the row. */
  #hasGrown(ino: number, { index, length }: LocalChunk) {
    const { files, settings } = this.#parts
    const start = index * settings.chunkSize
    const data = files.seek(ino, start + length, SEEK_DATA)
    return data >= 0 && data < start + settings.chunkSize
  }

  /** Compares a pending chunk with its pre-image. Without a pre-image it counts as changed. */
  #isPendingChanged(ino: number, row: LocalChunk) {
    const { uploads, files, settings } = this.#parts
    const upload = uploads.find(ino, row.index)
    if (upload?.id !== row.id || upload.source === null) return true
    const start = row.index * settings.chunkSize
    return !files.matchesPreImage(ino, start, row.length, upload.source, upload.sourceOffset)
  }

  #isAsCommitted(ino: number, row: LocalChunk, committed: CommittedChunk | undefined): boolean {
    const { files, settings } = this.#parts
    if (committed?.id !== row.id || committed.length !== committed.objectLength) return false
    const data = Buffer.alloc(committed.length)
    files.read(ino, data, row.index * settings.chunkSize)
    return crc32(data) === committed.crc
  }
}

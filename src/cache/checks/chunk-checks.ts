/**
 * Compares bytes in the cache with their CRC-32, which is in the metadata for clean chunks and in
 * the journal for pending ones (pending-checksums.ts). A damaged clean chunk leaves the cache and
 * is fetched from the cloud again. A damaged pending chunk is lost, and its bytes are kept for
 * people. Main thread.
 */
import { closeSync, openSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { DamagedFolder } from '../../tiers/nvme/damaged-folder.ts'
import { cacheLimits } from '../limits.ts'
import { CLEAN, PENDING, type LocalChunk } from '../state/chunk-table.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { LostChunks } from '../checks/lost-chunks.ts'

/** `unknown`: there is no checksum to compare with. */
export type ChunkState = 'intact' | 'damaged' | 'unknown'

interface Wanted {
  length: number
  crc: number
}

/** Part of a chunk that is being checked. Checks are synchronous, so it has one user at a time. */
const block = Buffer.allocUnsafeSlow(cacheLimits.checkBlockBytes)

export interface ChunkChecksParts {
  settings: CacheSettings
  shared: SharedState
  index: ChunkIndex
  chunks: ChunkTable
  uploads: UploadJournal
  files: BackingFiles
  lost: LostChunks
}

export class ChunkChecks {
  readonly #parts: ChunkChecksParts

  constructor(parts: ChunkChecksParts) {
    this.#parts = parts
  }

  /**
   * Expected length and CRC-32 of a chunk in the backing file; undefined if there is no checksum.
   */
  wanted(ino: number, row: LocalChunk): Wanted | undefined {
    const { chunks, uploads, index, shared } = this.#parts
    const open = shared.findOpen(ino)
    // Untracked writes (cache/passthrough/passthrough-writes.ts, cache/passthrough/mmap-writes.ts)
    // are valid and change the bytes.
    if (open?.passthroughWrites === true || open?.mapped === true) return undefined
    if (row.state === CLEAN) {
      const found = index.find(ino, row.index)
      if (found?.id !== row.id) return undefined
      const isWhole = row.length === found.objectLength
      const crc = isWhole ? found.crc : chunks.crcOf(ino, row.index)
      return crc == null ? undefined : { length: row.length, crc }
    }
    const upload = row.state === PENDING ? uploads.find(ino, row.index) : undefined
    if (upload?.id !== row.id || upload.source !== null || upload.crc === null) return undefined
    return { length: upload.length, crc: upload.crc }
  }

  /**
   * CRC-32 of the first `length` bytes of a clean chunk, which are about to be all of it.
   * Undefined: the chunk has no checksum, or was damaged and has left the cache. Call under the
   * lock of the inode.
   */
  checksumOfPart(ino: number, row: LocalChunk, length: number): number | undefined {
    const state = row.state === CLEAN ? this.check(ino, row) : 'unknown'
    if (state === 'damaged') this.dropDamaged(ino, row)
    return state === 'intact' ? this.#checksumOf(ino, row.index, length) : undefined
  }

  /** CRC-32 of the first `length` bytes of a chunk in the backing file; undefined: it has fewer. */
  #checksumOf(ino: number, index: number, length: number): number | undefined {
    const { files, settings } = this.#parts
    let crc = 0
    for (let at = 0; at < length;) {
      const part = block.subarray(0, length - at)
      if (files.read(ino, part, index * settings.chunkSize + at) < part.length) return undefined
      crc = crc32(part, crc)
      at += part.length
    }
    return crc
  }

  /** Call under the lock of the inode. */
  check(ino: number, row: LocalChunk): ChunkState {
    const wanted = this.wanted(ino, row)
    if (wanted === undefined) return 'unknown'
    return this.#checksumOf(ino, row.index, wanted.length) === wanted.crc ? 'intact' : 'damaged'
  }

  /** Call when a backing file is not as it was left: gives up its absent and damaged chunks. */
  async verifyFile(ino: number): Promise<void> {
    const { shared, chunks } = this.#parts
    shared.withInode(ino, () => {
      // Descriptors of a file that was replaced must not be used any more.
      shared.bumpFile(ino)
      this.#parts.lost.settleShort(ino)
    })
    for (let from = 0; ;) {
      const row = chunks.from(ino, from, 1)[0]
      if (row === undefined) return
      this.verifyChunk(ino, row.index)
      from = row.index + 1
      // Lets other events of the main thread run.
      await new Promise(setImmediate)
    }
  }

  /** Checks a chunk, and drops it if it is damaged. */
  verifyChunk(ino: number, index: number): ChunkState {
    const { chunks, shared, files } = this.#parts
    return shared.withInode(ino, () => {
      // It may have been evicted in the meantime.
      if (!chunks.find(ino, index)) return 'unknown'
      // Programs that open the file from now on read the other file.
      if (files.isReplaced(ino)) shared.bumpFile(ino)
      this.#parts.lost.settleShort(ino)
      const row = chunks.find(ino, index)
      if (row === undefined) return 'damaged'
      const state = this.check(ino, row)
      if (state === 'damaged') this.dropDamaged(ino, row)
      return state
    })
  }

  /** Gives up a chunk whose bytes do not match its CRC-32. Call under the lock of the inode. */
  dropDamaged(ino: number, row: LocalChunk): void {
    const what = `the CRC-32 of its bytes in ${this.#parts.files.path(ino)} is another`
    this.#parts.lost.giveUp(
      ino,
      [row],
      row.state === PENDING ? what + this.#keepDamaged(ino, row) : what,
    )
  }

  /** Copies the damaged bytes; returns where they are, for the reason of the loss. */
  #keepDamaged(ino: number, row: LocalChunk): string {
    const { settings, files } = this.#parts
    const folder = new DamagedFolder(settings.directory)
    const { index, id, length } = row
    const kept = folder.keep(`${ino}-${index}-${id}`, length, (path) => {
      const fd = openSync(path, 'wx', 0o600)
      try {
        files.copyTo(fd, 0, ino, index * settings.chunkSize, length)
      } finally {
        closeSync(fd)
      }
    })
    if (kept !== undefined) return `; they are kept in ${kept}`
    return `; they stay there, because ${folder.path} is full`
  }
}

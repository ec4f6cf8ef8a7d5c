/**
 * Reads one content of a chunk on this node, for the uploader and for peers, while writes,
 * truncates and evictions continue: it reads without a lock and then checks that the source is
 * unchanged. Main thread.
 *
 * Invariant: a content that is not on this node, or not complete, is undefined; other bytes are
 * never returned.
 */
import { crc32 } from 'node:zlib'
import { FsError } from '../../base/fs-error.ts'
import type { ChunkAddress } from '../../tiers/peers/chunk-address.ts'
import { CLEAN } from '../state/chunk-table.ts'
import type { Upload } from '../upload/upload-journal.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import { cacheLimits } from '../limits.ts'

export interface ChunkReaderParts {
  settings: CacheSettings
  shared: SharedState
  chunks: ChunkTable
  uploads: UploadJournal
  files: BackingFiles
  index: ChunkIndex
}

export class ChunkReader {
  readonly #parts: ChunkReaderParts

  constructor(parts: ChunkReaderParts) {
    this.#parts = parts
  }

  /**
   * Reads from the upload journal, else from the cache. Undefined: neither has it, or it was cut.
   */
  async load({ ino, index, id }: ChunkAddress): Promise<Buffer | undefined> {
    for (let attempt = 0; attempt < cacheLimits.optimisticReads; attempt++) {
      const upload = this.#parts.uploads.find(ino, index)
      const pending = upload?.id === id ? await this.#loadPending(upload) : undefined
      const found = pending ?? (await this.#loadSuperseded({ ino, index, id }))
      if (found !== undefined) return found
      const clean = await this.#loadClean({ ino, index, id })
      if (clean !== 'changed') return clean
    }
    return undefined
  }

  /**
   * Reads the bytes of an upload, into `into` if it is given and the chunk is not small. Undefined:
   * a later commit has replaced it. UnreadableUpload: its bytes are absent, damaged, or being
   * moved.
   */
  async loadUpload(upload: Upload, into?: Buffer): Promise<Buffer | undefined> {
    const { files, uploads } = this.#parts
    const { seq, ino, index } = upload
    let at = upload
    for (let attempt = 0; attempt < cacheLimits.optimisticReads; attempt++) {
      const path = at.source === null ? files.path(ino) : files.preImagePath(at.source)
      const data = await this.#readWritten(path, at.sourceOffset, at.length, into)
      // Valid only if the source is unchanged: a writer saves the pre-image before it writes.
      const after = uploads.findCached(ino, index)
      if (after?.seq !== seq) return undefined
      const isSame = after.source === at.source && (after.source !== null || after.isCached === 1)
      if (isSame && data !== undefined) {
        this.#requireIntact(after, data)
        return data
      }
      at = after
      // The chunk is being moved: a moment later its row has the new source.
      await new Promise(setImmediate)
    }
    const path = at.source === null ? files.path(ino) : files.preImagePath(at.source)
    throw new UnreadableUpload(at, `${path} is gone, or too short`)
  }

  /** Peers have other sources, and the uploader decides whether the chunk is lost. */
  async #loadPending(upload: Upload): Promise<Buffer | undefined> {
    try {
      return await this.loadUpload(upload)
    } catch (error) {
      if (error instanceof UnreadableUpload) return undefined
      throw error
    }
  }

  /** Checks the CRC-32 in the journal, unless the kernel may still change the bytes. */
  #requireIntact(upload: Upload, data: Buffer): void {
    if (upload.crc === null || crc32(data) === upload.crc) return
    const { shared } = this.#parts
    if (shared.withInode(upload.ino, () => shared.findOpen(upload.ino)?.passthroughWrites) === true)
      return
    throw new UnreadableUpload(
      upload,
      'the CRC-32 of its bytes is another than when it was written',
    )
  }

  /** The commit that superseded it may still be refused: then the metadata refers to this chunk. */
  async #loadSuperseded({ ino, id }: ChunkAddress): Promise<Buffer | undefined> {
    const { files, uploads } = this.#parts
    const found = uploads.supersededOf(ino).find((upload) => upload.id === id)
    if (found?.source == null) return undefined
    const path = files.preImagePath(found.source)
    return await this.#readWritten(path, found.sourceOffset, found.length)
  }

  /**
   * Reads bytes that were written a moment ago: a few are read faster than another thread replies.
   */
  async #readWritten(
    path: string,
    offset: number,
    length: number,
    into?: Buffer,
  ): Promise<Buffer | undefined> {
    return await readIfThere(() => {
      const { files } = this.#parts
      if (length <= cacheLimits.readAtOnceBytes) return files.readNow(path, offset, length)
      return files.readDetached(path, offset, length, into)
    })
  }

  async #loadClean({ ino, index, id }: ChunkAddress): Promise<Buffer | 'changed' | undefined> {
    const { shared, chunks, files, settings } = this.#parts
    const generation = shared.chunkGeneration(ino)
    const row = chunks.find(ino, index)
    if (row?.id !== id || row.state !== CLEAN) return undefined
    const reference = this.#parts.index.find(ino, index)
    // Peers can only check the checksum of a whole object.
    if (reference?.id !== id || reference.objectLength !== row.length) return undefined
    const offset = index * settings.chunkSize
    const path = files.path(ino)
    const data = await readIfThere(() => files.readDetached(path, offset, row.length))
    // Eviction changes the generation before it removes bytes, and a writer changes the row before
    // it writes.
    if (shared.chunkGeneration(ino) !== generation) return 'changed'
    const after = chunks.find(ino, index)
    const isSame = after?.id === id && after.state === CLEAN && after.length === row.length
    return isSame ? data : 'changed'
  }
}

/** The bytes of an upload cannot be read: they were removed, or do not match their CRC-32. */
export class UnreadableUpload extends FsError {
  constructor({ ino, index, length }: Upload, why: string, cause?: unknown) {
    super('EIO', `chunk ${index} of inode ${ino} (${length} bytes) cannot be read: ${why}`, {
      cause,
    })
  }
}

/** An absent source belongs to a chunk that was superseded or evicted; its row shows which. */
async function readIfThere(
  read: () => Buffer | undefined | Promise<Buffer | undefined>,
): Promise<Buffer | undefined> {
  try {
    return await read()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Reads the bytes of one content of a chunk that this node has, for the uploader and for peers,
 * while writers, truncates and eviction go on: it reads without a lock and then looks whether what
 * it read from was still the same. A content that is no longer here, or not whole, is undefined;
 * never other bytes. Main thread.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { FsError } from '../../base/fs-error.ts'
import type { ChunkAddress } from '../../tiers/peers/chunk-address.ts'
import { CLEAN, type Upload } from '../state/node-database.ts'
import type { NodeCache } from '../state/node-cache.ts'
import { cacheLimits } from '../limits.ts'

export class ChunkReader {
  readonly #cache: NodeCache

  constructor(cache: NodeCache) {
    this.#cache = cache
  }

  /** From the upload journal, else from the cache; undefined: it is in neither, or cut. */
  async load({ ino, index, id }: ChunkAddress): Promise<Buffer | undefined> {
    for (let attempt = 0; attempt < cacheLimits.optimisticReads; attempt++) {
      const upload = this.#cache.database.upload(ino, index)
      const pending = upload?.id === id ? await this.#loadPending(upload) : undefined
      const found = pending ?? (await this.#loadSuperseded({ ino, index, id }))
      if (found !== undefined) return found
      const clean = await this.#loadClean({ ino, index, id })
      if (clean !== 'changed') return clean
    }
    return undefined
  }

  /**
   * What an upload is to send, in `into` where that is given and it is more than a little;
   * undefined when a later commit has replaced it. UnreadableUpload: its bytes are not there, or
   * are being moved.
   */
  async loadUpload(upload: Upload, into?: Buffer): Promise<Buffer | undefined> {
    const { files, database } = this.#cache
    const { seq, ino, index } = upload
    let at = upload
    for (let attempt = 0; attempt < cacheLimits.optimisticReads; attempt++) {
      const path = at.source === null ? files.path(ino) : files.preImagePath(at.source)
      const data = await this.#readWritten(path, at.sourceOffset, at.length, into)
      // Valid only if the source is still the same: a writer moves the chunk aside before it
      // writes.
      const after = database.uploadOfCached(ino, index)
      if (after?.seq !== seq) return undefined
      const isSame = after.source === at.source && (after.source !== null || after.isCached === 1)
      if (isSame && data !== undefined) {
        this.#requireIntact(after, data)
        return data
      }
      at = after
      // It is being moved: a moment later the row says where.
      await new Promise(setImmediate)
    }
    const path = at.source === null ? files.path(ino) : files.preImagePath(at.source)
    throw new UnreadableUpload(at, `${path} is gone, or too short`)
  }

  /** Peers have it from elsewhere, or hear from who uploads it what became of it. */
  async #loadPending(upload: Upload): Promise<Buffer | undefined> {
    try {
      return await this.loadUpload(upload)
    } catch (error) {
      if (error instanceof UnreadableUpload) return undefined
      throw error
    }
  }

  /** The bytes are those whose checksum was taken, unless the kernel may change them still. */
  #requireIntact(upload: Upload, data: Buffer): void {
    if (upload.crc === null || crc32(data) === upload.crc) return
    const { shared } = this.#cache
    if (shared.withInode(upload.ino, () => shared.findOpen(upload.ino)?.passthroughWrites) === true)
      return
    throw new UnreadableUpload(
      upload,
      'the CRC-32 of its bytes is another than when it was written',
    )
  }

  /** Its commit's successor may still be refused: then this is what the metadata refers to. */
  async #loadSuperseded({ ino, id }: ChunkAddress): Promise<Buffer | undefined> {
    const { files, database } = this.#cache
    const found = database.supersededOf(ino).find((upload) => upload.id === id)
    if (found?.source == null) return undefined
    const path = files.preImagePath(found.source)
    return await this.#readWritten(path, found.sourceOffset, found.length)
  }

  /** What was written a moment ago: a little of it is here sooner than another thread answers. */
  async #readWritten(
    path: string,
    offset: number,
    length: number,
    into?: Buffer,
  ): Promise<Buffer | undefined> {
    return await readIfThere(() => {
      if (length <= cacheLimits.readAtOnceBytes) return readAtOnce(path, offset, length)
      return this.#cache.files.readDetached(path, offset, length, into)
    })
  }

  async #loadClean({ ino, index, id }: ChunkAddress): Promise<Buffer | 'changed' | undefined> {
    const { shared, database, files, settings } = this.#cache
    const generation = shared.chunkGeneration(ino)
    const row = database.chunk(ino, index)
    if (row?.id !== id || row.state !== CLEAN) return undefined
    const reference = this.#cache.index.find(ino, index)
    // Only the object as a whole has a checksum that others can check.
    if (reference?.id !== id || reference.objectLength !== row.length) return undefined
    const offset = index * settings.chunkSize
    const path = files.path(ino)
    const data = await readIfThere(() => files.readDetached(path, offset, row.length))
    // Eviction changes the generation before it takes bytes away, a writer the row before it
    // writes.
    if (shared.chunkGeneration(ino) !== generation) return 'changed'
    const after = database.chunk(ino, index)
    const isSame = after?.id === id && after.state === CLEAN && after.length === row.length
    return isSame ? data : 'changed'
  }
}

/** An upload whose bytes are not where they have to be: somebody or something removed them. */
export class UnreadableUpload extends FsError {
  constructor({ ino, index, length }: Upload, why: string, cause?: unknown) {
    super('EIO', `chunk ${index} of inode ${ino} (${length} bytes) cannot be read: ${why}`, {
      cause,
    })
  }
}

/** A source that vanished belongs to what was superseded or evicted: its row tells. */
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

/** undefined where the file ends before. */
function readAtOnce(path: string, offset: number, length: number): Buffer | undefined {
  const data = Buffer.allocUnsafe(length)
  const fd = openSync(path, 'r')
  try {
    for (let done = 0; done < length;) {
      const read = readSync(fd, data, done, length - done, offset + done)
      if (read === 0) return undefined
      done += read
    }
    return data
  } finally {
    closeSync(fd)
  }
}

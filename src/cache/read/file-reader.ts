/**
 * Reads bytes that are on this node, without a lock: take the generation of the inode, check that
 * the chunks are present, read, and check that the generation is unchanged. Absent chunks are
 * requested with `Suspended`.
 *
 * Invariant: code that removes bytes changes the generation first.
 */
import { NotStarted } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import { cacheLimits } from '../limits.ts'
import { SEEK_DATA, SEEK_HOLE } from '../../base/native-calls.ts'
import type { CommittedChunk } from '../state/chunk-index.ts'
import { LostError } from '../checks/lost-chunks.ts'
import { BYTES_FETCHED, chunkSubject, type WaitCondition } from '../waiting/wait-condition.ts'
import { DIRTY, type LocalChunk } from '../state/chunk-table.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { CurrentRequest } from '../../base/current-request.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { PresenceCache } from '../state/presence-cache.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { CurrentContent } from '../state/current-content.ts'
import type { LostChunks } from '../checks/lost-chunks.ts'
import type { RememberedInode } from '../state/presence-cache.ts'
import type { ChunkRange } from './range-reader.ts'

export interface FileReaderParts {
  settings: CacheSettings
  request: CurrentRequest
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  files: BackingFiles
  presence: PresenceCache
  index: ChunkIndex
  content: CurrentContent
  lost: LostChunks
}

export class FileReader {
  readonly #parts: FileReaderParts
  /** Called at the first use of a chunk that was fetched ahead. */
  readonly #onFirstUse: (ino: number, index: number) => void

  constructor(parts: FileReaderParts, onFirstUse: (ino: number, index: number) => void) {
    this.#parts = parts
    this.#onFirstUse = onFirstUse
  }

  /**
   * Fills `target` from `offset` on; returns fewer bytes only at the end of the file. `fillsPages`:
   * the kernel puts the bytes into its page cache.
   */
  read(ino: number, offset: number, target: Uint8Array, fillsPages = false): number {
    const { shared } = this.#parts
    // Before the size is read: a later write then drops the page.
    if (fillsPages && shared.mayBeOpen(ino)) this.#noteFill(ino)
    const read = this.#read(ino, offset, target)
    if (fillsPages && read < target.length && shared.cuts.isPending(ino)) {
      const condition: WaitCondition = { kind: 'cut', ino }
      throw new NotStarted(condition)
    }
    return read
  }

  #read(ino: number, offset: number, target: Uint8Array): number {
    const { shared } = this.#parts
    for (let attempt = 0; attempt < cacheLimits.optimisticReads; attempt++) {
      const generation = shared.chunkGeneration(ino)
      const read = this.#readOnce(ino, offset, target)
      if (shared.chunkGeneration(ino) === generation) return read
    }
    return shared.withInode(ino, () => this.#readOnce(ino, offset, target, true))
  }

  #noteFill(ino: number): void {
    const { shared } = this.#parts
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open) open.filled = true
    })
  }

  #readOnce(ino: number, offset: number, target: Uint8Array, locked = false): number {
    const { shared, files } = this.#parts
    const size = locked
      ? this.#parts.content.size(ino)
      : shared.withInode(ino, () => this.#parts.content.size(ino))
    const length = Math.min(target.length, size - offset)
    if (length <= 0) return 0
    const range = this.#requirePresent(ino, offset, length, locked)
    const wanted = target.subarray(0, length)
    const here = range ? length : files.read(ino, wanted, offset)
    if (range) wanted.set(range.data.subarray(0, length))
    // A hole at the end, unless chunks that should be present are absent.
    else if (here < length) {
      if (!locked) return shared.withInode(ino, () => this.#readOnce(ino, offset, target, true))
      this.#parts.lost.requireBytes(ino)
      wanted.fill(0, here)
    }
    return length
  }

  /**
   * Throws Suspended unless the chunks are present. Returns the bytes if they were fetched for this
   * read and are not in the backing file.
   */
  #requirePresent(
    ino: number,
    offset: number,
    length: number,
    locked: boolean,
  ): ChunkRange | undefined {
    const { chunkSize } = this.#parts.settings
    const known = this.#parts.presence.of(ino)
    const first = Math.floor(offset / chunkSize)
    const last = Math.floor((offset + length - 1) / chunkSize)
    for (let index = first; index <= last; index++) {
      if (known.present.has(index)) continue
      if (this.#isPresent(ino, index, known, locked)) continue
      const range = first === last ? this.#takeRange(ino, index, offset, locked) : undefined
      if (range) return range
      const condition: WaitCondition =
        first === last
          ? { kind: 'bytes', ino, offset, length }
          : { kind: 'chunks', ino, first: index, last, reading: true }
      throw new NotStarted(condition)
    }
    return undefined
  }

  /** The bytes that were fetched for this read, if they belong to the current content. */
  #takeRange(ino: number, index: number, offset: number, locked: boolean): ChunkRange | undefined {
    const range = this.#parts.request.take(BYTES_FETCHED, chunkSubject(ino, index))?.value
    const isCurrent = range?.id === this.#validReference(ino, index, locked)?.id
    return isCurrent && range?.offset === offset ? range : undefined
  }

  #isPresent(ino: number, index: number, known: RememberedInode, locked: boolean): boolean {
    const { chunks, shared } = this.#parts
    const row = chunks.find(ino, index)
    const mayBeLost = row === undefined || row.state === DIRTY
    const lost = mayBeLost ? this.#parts.lost.uncommitted(ino, index) : undefined
    if (lost) throw new LostError(lost)
    const isMissing =
      row === undefined
        ? this.#validReference(ino, index, locked) !== undefined
        : this.#isOutdated(ino, row, locked)
    if (isMissing) {
      shared.add('misses', 1)
      return false
    }
    if (row) this.#use(ino, row)
    known.present.add(index)
    return true
  }

  /**
   * Whether another node has replaced the chunk, so that its bytes here are about to be removed.
   */
  #isOutdated(ino: number, row: LocalChunk, locked: boolean): boolean {
    if (!this.#parts.index.isRemote || row.state === DIRTY) return false
    const isOutdated = (): boolean => {
      const { shared, index } = this.#parts
      return index.find(ino, row.index)?.id !== row.id && shared.findOpen(ino)?.ahead !== true
    }
    return locked ? isOutdated() : this.#parts.shared.withInode(ino, isOutdated)
  }

  #use(ino: number, { index, accessed, length }: LocalChunk): void {
    const { database, chunks, shared } = this.#parts
    shared.add('hits', 1)
    shared.add('hitBytes', length)
    const nowMs = Date.now()
    if (nowMs - accessed < cacheLimits.accessGranularityMs) return
    database.transaction(() => {
      chunks.touch(ino, index, nowMs)
    })
    if (accessed === 0) this.#onFirstUse(ino, index)
  }

  /** The committed chunk, unless it was cut off since the commit. */
  #validReference(ino: number, index: number, locked: boolean): CommittedChunk | undefined {
    const find = (): CommittedChunk | undefined => this.#parts.content.reference(ino, index)
    return locked ? find() : this.#parts.shared.withInode(ino, find)
  }

  /** SEEK_DATA or SEEK_HOLE; ENXIO beyond the end, as lseek(2). */
  seek(ino: number, offset: number, whence: number): number {
    return this.#parts.shared.withInode(ino, () => {
      const size = this.#parts.content.size(ino)
      if (offset < 0 || offset >= size) throw new FsError('ENXIO', 'beyond the end of the file')
      this.#parts.lost.requireBytes(ino)
      if (whence === SEEK_HOLE) return this.#nextHole(ino, offset, size)
      if (whence !== SEEK_DATA) throw new FsError('EINVAL', `lseek cannot do whence ${whence}`)
      const data = this.#nextData(ino, offset, size)
      if (data < 0) throw new FsError('ENXIO', 'no data beyond the offset')
      return data
    })
  }

  #nextData(ino: number, offset: number, size: number): number {
    const { settings, chunks, files } = this.#parts
    if (this.#parts.content.isHere(ino)) return files.seek(ino, offset, SEEK_DATA)
    for (let at = offset; at < size;) {
      const index = Math.floor(at / settings.chunkSize)
      const local = chunks.from(ino, index, 1)[0]?.index ?? Infinity
      const remote = this.#parts.content.nextReference(ino, index)
      if (remote < local) return Math.max(at, remote * settings.chunkSize)
      if (local === Infinity) return -1
      at = Math.max(at, local * settings.chunkSize)
      const found = files.seek(ino, at, SEEK_DATA)
      const end = (local + 1) * settings.chunkSize
      if (found >= 0 && found < Math.min(end, size)) return found
      at = end
    }
    return -1
  }

  #nextHole(ino: number, offset: number, size: number): number {
    const { settings, chunks, files } = this.#parts
    if (this.#parts.content.isHere(ino)) return Math.min(size, files.seek(ino, offset, SEEK_HOLE))
    for (let at = offset; at < size;) {
      const index = Math.floor(at / settings.chunkSize)
      const end = (index + 1) * settings.chunkSize
      if (chunks.find(ino, index)) {
        const found = files.seek(ino, at, SEEK_HOLE)
        if (found >= 0 && found < Math.min(end, size)) return found
      } else if (!this.#parts.content.reference(ino, index)) {
        return at
      }
      at = end
    }
    return size
  }
}

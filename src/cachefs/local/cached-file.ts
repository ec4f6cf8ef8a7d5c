/**
 * An open file of a CacheFS: a handle of the local side. Absent blocks are fetched when they are
 * read; writes are registered for the remote. The file keeps the version that it was opened with:
 * if another version replaces it, blocks that were not fetched are no longer available (ESTALE).
 */
import { failure } from '../../filesystem/failure.ts'
import type { FileHandle } from '../../filesystem/file-handle.ts'
import type { AttributeChanges, CallOptions } from '../../filesystem/file-system.ts'
import type { OpenFile } from '../../filesystem/open-file.ts'
import { Stats } from '../../filesystem/stats.ts'
import type { Entry } from '../entry.ts'
import { cachefsLimits } from '../limits.ts'
import type { LocalCopies } from './local-copies.ts'
import type { LocalCopy } from './local-copy.ts'
import type { LocalRoom } from './local-room.ts'
import type { CacheLocks } from '../cache-locks.ts'

export interface CachedFileParts {
  entry: Entry
  copy: LocalCopy
  /** Undefined if the local side had no space for the file. */
  handle: FileHandle | undefined
  /** Opens the local file once there is space. */
  reopen: () => Promise<FileHandle>
  isWriter: boolean
  copies: LocalCopies
  room: LocalRoom
  locks: CacheLocks
  now: () => number
  /** Called before each change. */
  onDirty: (entry: Entry) => Promise<void>
  /** Called when written bytes are complete on the local disk. */
  onKept: (entry: Entry) => void
  /** Queues the written content for the remote. */
  onWritten: (entry: Entry) => void
  change: (entry: Entry, changes: AttributeChanges) => Promise<void>
  /** Resolves when the journal of the changes is on disk. */
  syncJournal: () => Promise<void>
}

export class CachedFile implements OpenFile {
  readonly #parts: CachedFileParts
  /** Offset at which a sequential reader would continue. */
  #next = 0
  #handle: Promise<FileHandle> | undefined
  /** Version of the local file that the handle is of. */
  #fileVersion: number
  readonly #outdated: Promise<FileHandle>[] = []

  constructor(parts: CachedFileParts) {
    this.#parts = parts
    this.#fileVersion = parts.copy.fileVersion
    if (parts.handle !== undefined) this.#handle = Promise.resolve(parts.handle)
    parts.copy.users++
    if (parts.isWriter) parts.entry.writers++
  }

  async read(target: Uint8Array, position: number, options: CallOptions = {}): Promise<number> {
    const { copy, copies, entry, locks } = this.#parts
    const end = Math.min(position + target.length, copy.size)
    if (end <= position) return 0
    const part = target.subarray(0, end - position)
    for (let round = 1; round <= cachefsLimits.cacheRounds; round++) {
      const { fileVersion } = copy
      if (!copy.isWhole) {
        if (position === this.#next) copies.ahead(copy, position)
        const passed = await copies.provide(copy, position, end, options)
        this.#next = end
        if (passed !== undefined) {
          target.set(passed)
          return passed.length
        }
      }
      const handle = await this.#opened()
      const { bytesRead } = await handle.read(part, 0, part.length, position)
      const isAll = bytesRead === part.length || position + bytesRead >= copy.size
      if (isAll && copy.fileVersion === fileVersion) return bytesRead
      using _entry = await locks.entry(entry)
      await this.#isWhole(handle, copy.size)
    }
    throw failure('EIO', 'read', entry.path)
  }

  /**
   * Whether the handle has so many bytes and is that of the copy; otherwise they are fetched again.
   * The caller holds the lock of the entry.
   */
  async #isWhole(handle: FileHandle, bytes: number): Promise<boolean> {
    const { copy, copies } = this.#parts
    const { size } = await handle.stat()
    if (this.#fileVersion !== copy.fileVersion) return false
    if (size >= bytes) return true
    copies.refetch(copy, size)
    return false
  }

  /** Fetches the whole file, as a writer needs it. */
  async fill(options: CallOptions): Promise<void> {
    const { copy, copies, room } = this.#parts
    await room.run(0, () => copies.fill(copy, 0, copy.size, options), options)
  }

  async #opened(): Promise<FileHandle> {
    const { copy, reopen } = this.#parts
    if (this.#fileVersion !== copy.fileVersion) {
      // A concurrent call may be using it.
      if (this.#handle !== undefined) this.#outdated.push(this.#handle)
      this.#handle = undefined
      this.#fileVersion = copy.fileVersion
    }
    this.#handle ??= reopen().catch((error: unknown) => {
      this.#handle = undefined
      throw error
    })
    return await this.#handle
  }

  async write(
    source: Uint8Array,
    position: number | 'end',
    options: CallOptions = {},
  ): Promise<void> {
    await this.#parts.room.run(source.length, () => this.#write(source, position), options)
  }

  async #write(source: Uint8Array, position: number | 'end'): Promise<void> {
    const { copy } = this.#parts
    await this.#change(Infinity, async (handle) => {
      const at = position === 'end' ? copy.size : position
      try {
        await handle.write(source, 0, source.length, at)
      } catch (error) {
        // A partial write beyond the size of the file would be sent to the remote.
        if (at + source.length > copy.size) await handle.truncate(copy.size)
        throw error
      }
      if (source.length > 0) copy.size = Math.max(copy.size, at + source.length)
    })
  }

  async truncate(sizeBytes: number, options: CallOptions = {}): Promise<void> {
    const { copy, room } = this.#parts
    const truncate = async (handle: FileHandle): Promise<void> => {
      await handle.truncate(sizeBytes)
      copy.size = sizeBytes
    }
    await room.run(0, () => this.#change(sizeBytes, truncate), options)
  }

  async stat(): Promise<Stats> {
    const { entry, copy } = this.#parts
    const { fields } = entry.stats ?? new Stats({ kind: 'file' })
    if (entry.copy === copy) return new Stats({ ...fields, size: copy.size })
    return new Stats({ ...fields, size: copy.size, nlink: 0, etag: `old-${copy.etag ?? ''}` })
  }

  async change(changes: AttributeChanges): Promise<void> {
    await this.#parts.change(this.#parts.entry, changes)
  }

  async sync(): Promise<void> {
    const { entry, room } = this.#parts
    await (await this.#handle)?.sync()
    await this.#kept()
    await room.run(0, () => this.#parts.syncJournal())
    if (entry.isDirty) this.#parts.onWritten(entry)
  }

  async close(): Promise<void> {
    const { entry, copy, copies, isWriter } = this.#parts
    copy.users--
    if (isWriter) {
      if (entry.isDirty) {
        await this.#kept()
        this.#parts.onWritten(entry)
      }
      entry.writers--
    }
    for (const handle of [this.#handle, ...this.#outdated]) {
      await (await handle?.catch(() => undefined))?.close()
    }
    if (copy.users === 0 && entry.copy === copy) copies.releaseIfPartial(copy)
  }

  /** Runs between two changes: one in progress may shorten the file. */
  async #kept(): Promise<void> {
    const { entry, copy, locks, onKept } = this.#parts
    using _entry = await locks.entry(entry)
    if (entry.copy === copy) onKept(entry)
  }

  /**
   * Serializes the changes of a file; a change happens completely or not at all. It needs the first
   * `bytes` bytes of the file: if the local side lost some, it would put zeros in their place.
   */
  async #change(bytes: number, work: (handle: FileHandle) => Promise<void>): Promise<void> {
    const { entry, copy, copies, locks } = this.#parts
    for (let round = 1; round <= cachefsLimits.cacheRounds; round++) {
      await copies.fill(copy, 0, copy.size, {})
      const handle = await this.#opened()
      using _entry = await locks.entry(entry)
      if (entry.copy !== copy) {
        await work(handle)
        return
      }
      if (!(await this.#isWhole(handle, Math.min(bytes, copy.size)))) continue
      await this.#changeCopy(() => work(handle))
      return
    }
    throw failure('EIO', 'write', entry.path)
  }

  /** The caller holds the lock of the entry. */
  async #changeCopy(work: () => Promise<void>): Promise<void> {
    const { entry, copy, copies, now } = this.#parts
    // Before the change: data that is being sent now will be outdated.
    await this.#parts.onDirty(entry)
    entry.isChanging = true
    await work().finally(() => {
      entry.isChanging = false
    })
    entry.alter({ size: copy.size, mtimeMs: now() })
    copies.use(copy)
  }
}

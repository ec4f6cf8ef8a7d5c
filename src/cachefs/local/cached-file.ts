/**
 * An open file of a CacheFS: a handle of the local side. Absent blocks are fetched when they are
 * read; writes are registered for the remote. The file keeps the version that it was opened with:
 * if another version replaces it, blocks that were not fetched are no longer available (ESTALE).
 */
import type { FileHandle } from '../../filesystem/file-handle.ts'
import type { AttributeChanges, CallOptions } from '../../filesystem/file-system.ts'
import type { OpenFile } from '../../filesystem/open-file.ts'
import { Stats } from '../../filesystem/stats.ts'
import type { Entry } from '../entry.ts'
import type { LocalCopies } from './local-copies.ts'
import type { LocalCopy } from './local-copy.ts'
import type { LocalRoom } from './local-room.ts'
import type { CacheLocks } from '../cache-locks.ts'

export interface CachedFileParts {
  entry: Entry
  copy: LocalCopy
  /** Undefined if the local side had no space for the file. */
  handle: FileHandle | undefined
  /** Opens the local file for reading once there is space. */
  reopen: () => Promise<FileHandle>
  isWriter: boolean
  copies: LocalCopies
  room: LocalRoom
  locks: CacheLocks
  now: () => number
  /** Called before each change. */
  onDirty: (entry: Entry) => Promise<void>
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

  constructor(parts: CachedFileParts) {
    this.#parts = parts
    if (parts.handle !== undefined) this.#handle = Promise.resolve(parts.handle)
    parts.copy.users++
    if (parts.isWriter) parts.entry.writers++
  }

  async read(target: Uint8Array, position: number, options: CallOptions = {}): Promise<number> {
    const { copy, copies } = this.#parts
    const end = Math.min(position + target.length, copy.size)
    if (end <= position) return 0
    if (!copy.isWhole) {
      if (position === this.#next) copies.ahead(copy, position)
      const passed = await copies.provide(copy, position, end, options)
      this.#next = end
      if (passed !== undefined) {
        target.set(passed)
        return passed.length
      }
    }
    const part = target.subarray(0, end - position)
    const handle = await this.#opened()
    const { bytesRead } = await handle.read(part, 0, part.length, position)
    return bytesRead
  }

  /** Fetches the whole file, as a writer needs it. */
  async fill(options: CallOptions): Promise<void> {
    const { copy, copies, room } = this.#parts
    await room.run(0, () => copies.fill(copy, 0, copy.size, options), options)
  }

  async #opened(): Promise<FileHandle> {
    this.#handle ??= this.#parts.reopen().catch((error: unknown) => {
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
    const handle = await this.#opened()
    await this.#change(async () => {
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
    const handle = await this.#opened()
    const truncate = async (): Promise<void> => {
      await handle.truncate(sizeBytes)
      copy.size = sizeBytes
    }
    await room.run(0, () => this.#change(truncate), options)
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
    await room.run(0, () => this.#parts.syncJournal())
    if (entry.isDirty) this.#parts.onWritten(entry)
  }

  async close(): Promise<void> {
    const { entry, copy, copies, isWriter } = this.#parts
    copy.users--
    if (isWriter) {
      if (entry.isDirty) this.#parts.onWritten(entry)
      entry.writers--
    }
    await (await this.#handle?.catch(() => undefined))?.close()
    if (copy.users === 0 && entry.copy === copy) copies.releaseIfPartial(copy)
  }

  /** Serializes the changes of a file; a change happens completely or not at all. */
  async #change(work: () => Promise<void>): Promise<void> {
    const { entry, copy, copies, locks, now } = this.#parts
    using _entry = await locks.entry(entry)
    if (entry.copy !== copy) {
      await work()
      return
    }
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

/**
 * An open object. Reads are ranges of the version that was opened, a window at a time. Objects are
 * written as a whole: writes are kept in memory until `sync` or `close`, up to a limit (EFBIG; the
 * object stays unchanged). Large files should be written by `writeFile` with a stream.
 */
import type { FsError } from '../../base/fs-error.ts'
import { failure } from '../failure.ts'
import { collect } from '../file-bytes.ts'
import type { AttributeChanges, CallOptions } from '../file-system.ts'
import { filesystemLimits } from '../limits.ts'
import { MemoryPages } from '../memory/memory-pages.ts'
import type { OpenFile } from '../open-file.ts'
import { Stats } from '../stats.ts'

export interface ObjectFileParts {
  stats: Stats
  /** None of the existing content is needed. */
  isEmpty: boolean
  isWriter: boolean
  read: (start: number, end: number, options?: CallOptions) => AsyncIterable<Uint8Array>
  save: (source: AsyncIterable<Uint8Array>, size: number, mode: number) => Promise<Stats>
}

export class ObjectFile implements OpenFile {
  readonly #parts: ObjectFileParts
  #stats: Stats
  #window = { start: 0, bytes: new Uint8Array(0) }
  #pages: MemoryPages | undefined
  #isChanged = false
  /** A write exceeded the limit: the object stays unchanged. */
  #isTooLarge = false

  constructor(parts: ObjectFileParts) {
    this.#parts = parts
    this.#stats = parts.stats
    if (parts.isEmpty) this.#pages = new MemoryPages()
  }

  async read(target: Uint8Array, position: number, options?: CallOptions): Promise<number> {
    if (this.#stats.isDirectory()) throw failure('EISDIR', 'read')
    if (this.#pages !== undefined) return this.#pages.read(target, position)
    let count = 0
    while (count < target.length && position + count < this.#stats.size) {
      const part = await this.#part(position + count, options)
      const piece = part.subarray(0, target.length - count)
      target.set(piece, count)
      count += piece.length
    }
    return count
  }

  async write(source: Uint8Array, position: number | 'end', options?: CallOptions): Promise<void> {
    const pages = await this.#load(options)
    const at = position === 'end' ? pages.size : position
    this.#checkSize(at + source.length)
    pages.write(source, at)
    this.#isChanged = true
  }

  async stat(): Promise<Stats> {
    const { fields } = this.#stats
    return this.#pages === undefined
      ? this.#stats
      : new Stats({ ...fields, size: this.#pages.size })
  }

  async truncate(sizeBytes: number, options?: CallOptions): Promise<void> {
    this.#checkSize(sizeBytes)
    const pages = await this.#load(options)
    pages.truncate(sizeBytes)
    this.#isChanged = true
  }

  /** Takes effect when the content is saved. */
  async change(changes: AttributeChanges, options?: CallOptions): Promise<void> {
    await this.#load(options)
    const given = Object.entries(changes).filter(([, value]) => value !== undefined)
    this.#stats = new Stats({ ...this.#stats.fields, ...Object.fromEntries(given) })
    this.#isChanged = true
  }

  async sync(): Promise<void> {
    const pages = this.#pages
    if (this.#isTooLarge) throw tooLarge()
    if (!this.#isChanged || pages === undefined) return
    this.#isChanged = false
    async function* all(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < pages!.size; at += filesystemLimits.fileReadBytes) {
        const block = new Uint8Array(Math.min(filesystemLimits.fileReadBytes, pages!.size - at))
        pages!.read(block, at)
        yield block
      }
    }
    this.#stats = await this.#parts.save(all(), pages.size, this.#stats.mode & 0o7777)
  }

  async close(): Promise<void> {
    if (this.#parts.isWriter) await this.sync()
  }

  async #part(position: number, options?: CallOptions): Promise<Uint8Array> {
    const { start, bytes } = this.#window
    if (position >= start && position < start + bytes.length) {
      return bytes.subarray(position - start)
    }
    const end = Math.min(position + filesystemLimits.objectWindowBytes, this.#stats.size) - 1
    const read = await collect(this.#parts.read(position, end, options))
    if (read.length !== end - position + 1) throw failure('EIO', 'read')
    this.#window = { start: position, bytes: new Uint8Array(read) }
    return read
  }

  async #load(options?: CallOptions): Promise<MemoryPages> {
    if (this.#pages !== undefined) return this.#pages
    const { size } = this.#stats
    this.#checkSize(size)
    const pages = new MemoryPages()
    if (size > 0) {
      for await (const piece of this.#parts.read(0, size - 1, options)) {
        pages.write(piece, pages.size)
      }
    }
    this.#pages = pages
    return pages
  }

  #checkSize(sizeBytes: number): void {
    if (sizeBytes <= filesystemLimits.objectSpoolBytes) return
    this.#isTooLarge = true
    throw tooLarge()
  }
}

function tooLarge(): FsError {
  const { objectSpoolBytes } = filesystemLimits
  const text = `more than ${objectSpoolBytes} bytes at once: use writeFile with a stream`
  return failure('EFBIG', 'write', undefined, { text })
}

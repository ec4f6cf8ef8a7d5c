/**
 * An open file with the interface of `node:fs/promises`: a current position, and reads and writes
 * in all forms that Node supports. It is implemented on an `OpenFile`.
 *
 * Invariants: calls that use the current position run one after the other in the order of the
 * calls. After `close`, every call is EBADF. `close` is idempotent.
 */
import type { Readable, Writable } from 'node:stream'
import { throwIfAborted } from '../base/async/abort.ts'
import { Semaphore } from '../base/async/semaphore.ts'
import { filesystemLimits } from './limits.ts'
import { failure, failureOf } from './failure.ts'
import { asBuffer, bytesOf, collect, piecesOf, textOf } from './file-bytes.ts'
import type { Content, TextEncoding } from './file-bytes.ts'
import type {
  CallOptions,
  ContentOptions,
  EncodingOptions,
  StreamOptions,
  Time,
} from './file-system.ts'
import { readableOf, writableOf } from './node-streams.ts'
import type { OpenFlags } from './open-flags.ts'
import type { OpenFile } from './open-file.ts'
import type { Stats } from './stats.ts'
import { msOf } from './time.ts'

interface ReadOptions extends CallOptions {
  buffer?: ArrayBufferView | undefined
  offset?: number | undefined
  length?: number | undefined
  position?: number | bigint | null | undefined
}

interface Read<T> {
  bytesRead: number
  buffer: T
}

interface Written<T> {
  bytesWritten: number
  buffer: T
}

export class FileHandle implements AsyncDisposable {
  readonly #file: OpenFile
  readonly #flags: OpenFlags
  readonly #path: string
  readonly #turn = new Semaphore(1)
  #position = 0
  #isClosed = false

  constructor(file: OpenFile, flags: OpenFlags, path: string) {
    this.#file = file
    this.#flags = flags
    this.#path = path
  }

  async read<T extends ArrayBufferView = Buffer>(
    buffer?: T | ReadOptions,
    offset?: number | ReadOptions | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<Read<T>> {
    const isView = ArrayBuffer.isView(buffer)
    const options: ReadOptions = isView
      ? typeof offset === 'object'
        ? { ...offset, buffer }
        : { buffer, offset, length: length ?? undefined, position }
      : (buffer ?? {})
    const target = options.buffer ?? asBuffer(new Uint8Array(filesystemLimits.fileReadBytes))
    const from = options.offset ?? 0
    const view = bytesOf(target).subarray(from, from + (options.length ?? target.byteLength - from))
    const bytesRead = await this.#run('read', this.#flags.read, async () => {
      const { signal } = options
      if (isPosition(options.position)) {
        return await this.#file.read(view, Number(options.position), { signal })
      }
      return await this.#turn.run(async () => {
        const count = await this.#file.read(view, this.#position, { signal })
        this.#position += count
        return count
      })
    })
    return { bytesRead, buffer: target as T }
  }

  async write<T extends ArrayBufferView | string>(
    data: T,
    offset?: number | (ReadOptions & { encoding?: TextEncoding }) | null,
    length?: number | TextEncoding | null,
    position?: number | bigint | null,
  ): Promise<Written<T>> {
    const how = typeof data === 'string' ? textWrite(data, offset, length) : undefined
    const options = typeof offset === 'object' && offset !== null ? offset : undefined
    const whole = how?.bytes ?? bytesOf(data)
    const from = how !== undefined ? 0 : (options?.offset ?? (Number(offset ?? 0) || 0))
    const count = options?.length ?? (typeof length === 'number' ? length : whole.length - from)
    const source = whole.subarray(from, from + count)
    const at = how === undefined ? (options === undefined ? position : options.position) : how.at
    await this.#run('write', this.#flags.write, () => this.#write(source, at, options))
    return { bytesWritten: source.length, buffer: data }
  }

  async #write(
    source: Uint8Array,
    position: number | bigint | null | undefined,
    options?: CallOptions,
  ): Promise<void> {
    if (this.#flags.append) {
      await this.#file.write(source, 'end', options)
      return
    }
    if (isPosition(position)) {
      await this.#file.write(source, Number(position), options)
      return
    }
    await this.#turn.run(async () => {
      await this.#file.write(source, this.#position, options)
      this.#position += source.length
    })
  }

  async readFile(options?: null | (EncodingOptions & { encoding?: null })): Promise<Buffer>
  async readFile(options: TextEncoding | EncodingOptions): Promise<string>
  async readFile(options?: TextEncoding | EncodingOptions | null): Promise<Buffer | string> {
    const { encoding, signal } =
      typeof options === 'string' ? { encoding: options } : (options ?? {})
    const bytes = await collect(this.pieces({ start: this.#position, signal }))
    this.#position += bytes.length
    return encoding == null ? asBuffer(bytes) : textOf(bytes, encoding)
  }

  /** Writes from the current position, as in Node. */
  async writeFile(data: Content, options?: TextEncoding | EncodingOptions): Promise<void> {
    const { encoding, signal } =
      typeof options === 'string' ? { encoding: options } : (options ?? {})
    for await (const piece of piecesOf(data, encoding ?? undefined)) {
      throwIfAborted(signal)
      await this.#run('write', this.#flags.write, () => this.#write(piece, null, { signal }))
    }
  }

  async appendFile(data: Content, options?: TextEncoding | EncodingOptions): Promise<void> {
    await this.writeFile(data, options)
  }

  async stat(options?: CallOptions): Promise<Stats> {
    return await this.#run('fstat', true, () => this.#file.stat(options))
  }

  async truncate(sizeBytes = 0, options?: CallOptions): Promise<void> {
    await this.#run('ftruncate', this.#flags.write, () => this.#file.truncate(sizeBytes, options))
  }

  async chmod(mode: number, options?: CallOptions): Promise<void> {
    await this.#run('fchmod', true, () => this.#file.change({ mode }, options))
  }

  async chown(uid: number, gid: number, options?: CallOptions): Promise<void> {
    await this.#run('fchown', true, () => this.#file.change({ uid, gid }, options))
  }

  async utimes(atime: Time, mtime: Time, options?: CallOptions): Promise<void> {
    const changes = { atimeMs: msOf(atime), mtimeMs: msOf(mtime) }
    await this.#run('futime', true, () => this.#file.change(changes, options))
  }

  async sync(options?: CallOptions): Promise<void> {
    await this.#run('fsync', true, () => this.#file.sync(options))
  }

  async datasync(options?: CallOptions): Promise<void> {
    await this.#run('fdatasync', true, () => this.#file.sync(options))
  }

  /** Bytes from `start` up to and including `end`, in blocks. */
  async *pieces(options: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    const { start = 0, end = Infinity, signal } = options
    for (let at = start; at <= end;) {
      throwIfAborted(signal)
      const block = new Uint8Array(Math.min(filesystemLimits.fileReadBytes, end - at + 1))
      const count = await this.#run('read', this.#flags.read, () => {
        return this.#file.read(block, at, { signal })
      })
      if (count > 0) yield block.subarray(0, count)
      if (count < block.length) return
      at += count
    }
  }

  createReadStream(options: StreamOptions = {}): Readable {
    return readableOf(() => this.pieces({ start: this.#position, ...options }), options)
  }

  createWriteStream(options: StreamOptions = {}): Writable {
    return writableOf(async () => this, options)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      await this.#file.close()
    } catch (error) {
      throw failureOf(error, 'close', this.#path)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run<T>(syscall: string, isAllowed: boolean, work: () => Promise<T>): Promise<T> {
    if (this.#isClosed || !isAllowed) throw failure('EBADF', syscall, this.#path)
    try {
      return await work()
    } catch (error) {
      throw failureOf(error, syscall, this.#path)
    }
  }
}

function isPosition(position: unknown): position is number | bigint {
  return typeof position === 'bigint' || (typeof position === 'number' && position >= 0)
}

/** Arguments of `write(text, position, encoding)`. */
function textWrite(
  data: string,
  position: unknown,
  encoding: unknown,
): { bytes: Uint8Array; at: number | null } {
  const name = typeof encoding === 'string' ? (encoding as TextEncoding) : undefined
  return { bytes: bytesOf(data, name), at: typeof position === 'number' ? position : null }
}

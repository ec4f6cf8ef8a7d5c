/**
 * Implements the contract (`file-system.ts`) on a minimum of operations: a subclass implements the
 * protected methods and gets the whole interface of Node. They receive normalized paths; their
 * errors get syscall and path here.
 *
 * To write a file system: extend this class and run the test suite of the contract on it.
 */
import type { Readable, Writable } from 'node:stream'
import { throwIfAborted } from '../base/async/abort.ts'
import { codeOf } from '../base/fs-error.ts'
import { O_TRUNC, O_WRONLY } from '../base/open-bits.ts'
import { failure, failureOf } from './failure.ts'
import { asBuffer, bytesOf, collect, piecesOf, textOf } from './file-bytes.ts'
import type { Content, TextEncoding } from './file-bytes.ts'
import { FileHandle } from './file-handle.ts'
import { childOf, isName, normalize, parentOf } from './file-path.ts'
import type {
  AttributeChanges,
  CallOptions,
  ContentOptions,
  EncodingOptions,
  Features,
  FileSystem,
  MkdirOptions,
  ReaddirOptions,
  ReadFileOptions,
  ReplaceOptions,
  RmOptions,
  StreamOptions,
  Time,
  WriteFileOptions,
} from './file-system.ts'
import { readableOf, writableOf } from './node-streams.ts'
import type { OpenFile } from './open-file.ts'
import { parseFlags } from './open-flags.ts'
import type { OpenFlags } from './open-flags.ts'
import { realPath } from './real-path.ts'
import type { Dirent } from './stats.ts'
import type { Stats } from './stats.ts'
import { msOf } from './time.ts'

/** Flag of `copyFile`, as in `fs.constants`. */
const COPYFILE_EXCL = 1

export abstract class PortableFileSystem implements FileSystem {
  abstract readonly features: Features

  /** Creates a missing file with `mode` if the flags have `create`. Follows links. */
  protected abstract openFile(
    path: string,
    flags: OpenFlags,
    mode: number,
    options: CallOptions,
  ): Promise<OpenFile>
  protected abstract statFile(path: string, follow: boolean, options: CallOptions): Promise<Stats>
  protected abstract entries(path: string, options: CallOptions): AsyncIterable<Dirent>
  /** EEXIST; ENOENT if the parent does not exist. */
  protected abstract makeDirectory(path: string, mode: number, options: CallOptions): Promise<void>
  protected abstract removeDirectory(path: string, options: CallOptions): Promise<void>
  /** Removes a file or link; EISDIR for a directory. */
  protected abstract removeFile(path: string, options: CallOptions): Promise<void>
  protected abstract move(from: string, to: string, options: CallOptions): Promise<void>
  protected abstract makeLink(target: string, path: string, options: CallOptions): Promise<void>
  protected abstract readTarget(path: string, options: CallOptions): Promise<string>
  protected abstract change(
    path: string,
    changes: AttributeChanges,
    follow: boolean,
    options: CallOptions,
  ): Promise<void>
  protected abstract replaceFile(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions,
  ): Promise<Stats>

  async open(
    path: string,
    flags: string | number = 'r',
    mode = 0o666,
    options: CallOptions = {},
  ): Promise<FileHandle> {
    return await this.#run('open', path, options, async (at) => {
      const parsed = parseFlags(flags, at)
      return new FileHandle(await this.openFile(at, parsed, mode, options), parsed, at)
    })
  }

  async stat(path: string, options: CallOptions = {}): Promise<Stats> {
    return await this.#run('stat', path, options, (at) => this.statFile(at, true, options))
  }

  async lstat(path: string, options: CallOptions = {}): Promise<Stats> {
    return await this.#run('lstat', path, options, (at) => this.statFile(at, false, options))
  }

  /** Checks existence only; permissions are checked at use. */
  async access(path: string, _mode?: number, options: CallOptions = {}): Promise<void> {
    await this.#run('access', path, options, (at) => this.statFile(at, true, options))
  }

  async realpath(path: string, options: CallOptions = {}): Promise<string> {
    return await this.#run('realpath', path, options, (at) => realPath(this, at, options))
  }

  async readFile(path: string, options?: ReadFileOptions & { encoding?: null }): Promise<Buffer>
  async readFile(path: string, options: TextEncoding | ReadFileOptions): Promise<string>
  async readFile(path: string, options?: TextEncoding | ReadFileOptions): Promise<Buffer | string> {
    const { encoding, signal } = asOptions(options)
    const bytes = await this.#run('open', path, { signal }, (at) => {
      return collect(this.content(at, { signal }))
    })
    return encoding == null ? asBuffer(bytes) : textOf(bytes, encoding)
  }

  async writeFile(
    path: string,
    data: Content,
    options?: TextEncoding | WriteFileOptions,
  ): Promise<void> {
    const { encoding, signal, mode, flag = 'w', flush } = asOptions(options)
    // Invalid content is rejected before the file is truncated.
    const pieces = typeof data === 'string' ? [bytesOf(data, encoding ?? undefined)] : data
    const handle = await this.open(path, flag, mode, { signal })
    try {
      for await (const piece of piecesOf(pieces, encoding ?? undefined)) {
        throwIfAborted(signal)
        await handle.write(piece, null, null, null)
      }
      if (flush) await handle.sync({ signal })
    } finally {
      await handle.close()
    }
  }

  async appendFile(
    path: string,
    data: Content,
    options?: TextEncoding | WriteFileOptions,
  ): Promise<void> {
    await this.writeFile(path, data, { flag: 'a', ...asOptions(options) })
  }

  async truncate(path: string, sizeBytes = 0, options: CallOptions = {}): Promise<void> {
    // With O_TRUNC, the content need not be fetched first.
    const flags = sizeBytes === 0 ? O_WRONLY | O_TRUNC : 'r+'
    await using handle = await this.open(path, flags, undefined, options)
    if (sizeBytes > 0) await handle.truncate(sizeBytes, options)
  }

  async copyFile(from: string, to: string, mode = 0, options: CallOptions = {}): Promise<void> {
    await this.#run('copyfile', from, options, async (at) => {
      const target = normalize(to, 'copyfile')
      const { mode: bits, size } = await this.statFile(at, true, options)
      const isExclusive = (mode & COPYFILE_EXCL) !== 0
      const only = isExclusive ? { ifMatch: null } : {}
      const how = { ...options, ...only, mode: bits & 0o7777, size }
      await this.replaceFile(target, this.content(at, options), how).catch((error: unknown) => {
        const isThere = isExclusive && codeOf(error) === 'ESTALE'
        throw isThere ? failure('EEXIST', 'copyfile', at, { dest: target }) : error
      })
    })
  }

  createReadStream(path: string, options?: TextEncoding | StreamOptions): Readable {
    const { start, end, signal, ...how } = asOptions(options)
    return readableOf(() => this.content(path, { start, end, signal }), how)
  }

  createWriteStream(path: string, options?: TextEncoding | StreamOptions): Writable {
    const how = asOptions(options)
    const { flags = how.start === undefined ? 'w' : 'r+', mode, signal } = how
    return writableOf(() => this.open(path, flags, mode, { signal }), how)
  }

  async readdir(
    path: string,
    options?: TextEncoding | (ReaddirOptions & { withFileTypes?: false | undefined }),
  ): Promise<string[]>
  async readdir(path: string, options: ReaddirOptions & { withFileTypes: true }): Promise<Dirent[]>
  async readdir(path: string, options?: TextEncoding | ReaddirOptions): Promise<unknown[]> {
    const { withFileTypes = false, recursive = false, signal } = asOptions(options)
    const top = normalize(path, 'scandir')
    const found: Dirent[] = []
    const waiting = [top]
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      for await (const entry of this.list(at, { signal })) {
        found.push(entry)
        if (recursive && entry.isDirectory()) waiting.push(childOf(at, entry.name))
      }
    }
    if (withFileTypes) return found
    const prefix = top === '/' ? 1 : top.length + 1
    return found.map((entry) => childOf(entry.parentPath, entry.name).slice(prefix))
  }

  async mkdir(path: string, options: number | MkdirOptions = {}): Promise<string | undefined> {
    const {
      recursive = false,
      mode = 0o777,
      signal,
    } = typeof options === 'number' ? { mode: options } : options
    return await this.#run('mkdir', path, { signal }, async (at) => {
      if (recursive) return await this.#makeDirectories(at, mode, { signal })
      await this.makeDirectory(at, mode, { signal })
      return undefined
    })
  }

  async #makeDirectories(
    path: string,
    mode: number,
    options: CallOptions,
  ): Promise<string | undefined> {
    try {
      await this.makeDirectory(path, mode, options)
      return path
    } catch (error) {
      const code = codeOf(error)
      if (code === 'ENOENT' && path !== '/') {
        const first = await this.#makeDirectories(parentOf(path), mode, options)
        await this.makeDirectory(path, mode, options).catch(ignoreExisting)
        return first ?? path
      }
      if (code !== 'EEXIST') throw error
      const stats = await this.statFile(path, true, options)
      if (!stats.isDirectory()) throw error
      return undefined
    }
  }

  async rmdir(path: string, options: CallOptions = {}): Promise<void> {
    await this.#run('rmdir', path, options, async (at) => {
      if (at === '/') throw failure('EBUSY', 'rmdir', at)
      await this.removeDirectory(at, options)
    })
  }

  async unlink(path: string, options: CallOptions = {}): Promise<void> {
    await this.#run('unlink', path, options, async (at) => {
      if (at === '/') throw failure('EISDIR', 'unlink', at)
      await this.removeFile(at, options)
    })
  }

  async rm(path: string, options: RmOptions = {}): Promise<void> {
    const { force = false, recursive = false, signal } = options
    await this.#run('rm', path, { signal }, async (at) => {
      try {
        const stats = await this.statFile(at, false, { signal })
        if (!stats.isDirectory()) {
          await this.removeFile(at, { signal })
          return
        }
        if (!recursive) throw failure('EISDIR', 'rm', at)
        if (at === '/') throw failure('EBUSY', 'rm', at)
        await this.#removeTree(at, { signal })
      } catch (error) {
        if (!force || codeOf(error) !== 'ENOENT') throw error
      }
    })
  }

  async #removeTree(path: string, options: CallOptions): Promise<void> {
    const entries: Dirent[] = []
    for await (const entry of this.entries(path, options)) entries.push(entry)
    for (const entry of entries) {
      throwIfAborted(options.signal)
      const child = childOf(path, entry.name)
      const removal = entry.isDirectory()
        ? this.#removeTree(child, options)
        : this.removeFile(child, options)
      await removal.catch(ignoreMissing)
    }
    await this.removeDirectory(path, options)
  }

  async rename(from: string, to: string, options: CallOptions = {}): Promise<void> {
    await this.#run('rename', from, options, async (at) => {
      const target = normalize(to, 'rename')
      if (at === '/' || target === '/') throw failure('EBUSY', 'rename', at, { dest: target })
      if (target.startsWith(`${at}/`)) throw failure('EINVAL', 'rename', at, { dest: target })
      await this.move(at, target, options)
    })
  }

  async symlink(
    target: string,
    path: string,
    _type?: string | null,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#run('symlink', path, options, async (at) => {
      if (target === '') throw failure('ENOENT', 'symlink', at)
      await this.makeLink(target, at, options)
    })
  }

  async readlink(path: string, options?: TextEncoding | EncodingOptions): Promise<string> {
    const { signal } = asOptions(options)
    return await this.#run('readlink', path, { signal }, (at) => this.readTarget(at, { signal }))
  }

  async chmod(path: string, mode: number, options: CallOptions = {}): Promise<void> {
    await this.#run('chmod', path, options, (at) => this.change(at, { mode }, true, options))
  }

  async chown(path: string, uid: number, gid: number, options: CallOptions = {}): Promise<void> {
    await this.#run('chown', path, options, (at) => this.change(at, { uid, gid }, true, options))
  }

  async lchown(path: string, uid: number, gid: number, options: CallOptions = {}): Promise<void> {
    await this.#run('lchown', path, options, (at) => this.change(at, { uid, gid }, false, options))
  }

  async utimes(path: string, atime: Time, mtime: Time, options: CallOptions = {}): Promise<void> {
    const times = { atimeMs: msOf(atime), mtimeMs: msOf(mtime) }
    await this.#run('utime', path, options, (at) => this.change(at, times, true, options))
  }

  async lutimes(path: string, atime: Time, mtime: Time, options: CallOptions = {}): Promise<void> {
    const times = { atimeMs: msOf(atime), mtimeMs: msOf(mtime) }
    await this.#run('lutime', path, options, (at) => this.change(at, times, false, options))
  }

  async *list(path: string, options: CallOptions = {}): AsyncGenerator<Dirent> {
    const at = normalize(path, 'scandir')
    try {
      for await (const entry of this.entries(at, options)) {
        throwIfAborted(options.signal)
        if (isName(entry.name)) yield entry
      }
    } catch (error) {
      throw failureOf(error, 'scandir', at)
    }
  }

  async *content(path: string, options: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    const at = normalize(path, 'open')
    try {
      yield* this.pieces(at, options)
    } catch (error) {
      throw failureOf(error, 'read', at)
    }
  }

  async replace(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions = {},
  ): Promise<Stats> {
    return await this.#run('open', path, options, (at) => this.replaceFile(at, source, options))
  }

  /** Bytes of one version. By default, the version of the open file is checked before and after. */
  protected async *pieces(path: string, options: ContentOptions): AsyncGenerator<Uint8Array> {
    await using handle = await this.open(path, 'r', undefined, options)
    const before = await handle.stat(options)
    if (before.isDirectory()) throw failure('EISDIR', 'read', path)
    const { ifMatch } = options
    if (ifMatch !== undefined && ifMatch !== before.etag) throw failure('ESTALE', 'read', path)
    for await (const piece of handle.pieces(options)) yield piece
    if (ifMatch === undefined) return
    const after = await handle.stat(options)
    if (after.etag !== ifMatch) throw failure('ESTALE', 'read', path)
  }

  async #run<T>(
    syscall: string,
    path: string,
    { signal }: CallOptions,
    work: (path: string) => Promise<T>,
  ): Promise<T> {
    const at = normalize(path, syscall)
    throwIfAborted(signal, `${syscall} '${at}'`)
    try {
      return await work(at)
    } catch (error) {
      throw failureOf(error, syscall, at)
    }
  }
}

/** An encoding is short for options with only that encoding. */
export function asOptions<T extends { encoding?: TextEncoding | null | undefined }>(
  options: TextEncoding | T | undefined,
): T {
  return typeof options === 'string' ? ({ encoding: options } as T) : (options ?? ({} as T))
}

function ignoreExisting(error: unknown): void {
  if (codeOf(error) !== 'EEXIST') throw error
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error
}

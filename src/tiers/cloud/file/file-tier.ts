/**
 * Tier in a directory: a network mount, a dedicated disk, or a directory for trying things out. An
 * object is a plain file whose path is its key.
 *
 * Invariants: an object appears by rename, after its bytes were read back and checked and after
 * file and directory were synced, so a crash leaves the whole object or none. Writes in progress
 * are in a directory whose name is no valid key; leftovers of a crash there are deleted when the
 * tier is next opened. No key, symbolic link or subdirectory leads out of the directory. Only the
 * owner can access objects and directories (0600, 0700).
 */
import { randomUUID } from 'node:crypto'
import { constants, type Dir } from 'node:fs'
import { lstat, open, opendir, rename, rmdir, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { abortError } from '../../../base/async/abort.ts'
import { memoryOf } from '../../../base/buffer-pool.ts'
import { FsError, codeOf } from '../../../base/fs-error.ts'
import { PLAIN_FILE } from '../../../base/private-folder.ts'
import { Semaphore } from '../../../base/async/semaphore.ts'
import { tiersLimits } from '../../limits.ts'
import type {
  CallOptions,
  ListedObject,
  ReadOptions,
  TierStorage,
  WriteOptions,
} from '../../tier-storage.ts'
import { checkCrc32 } from '../object-digest.ts'
import { checkKey, checkListPrefix, isKey } from '../object-key.ts'
import { ObjectRange, checkSize } from '../object-range.ts'
import { fileTierError, isAbsence } from './file-tier-error.ts'
import { ObjectFolder, checkThere, realPlace } from './object-folder.ts'
import { writeVerified } from './verified-file.ts'

export interface FileTierOptions {
  /** Must exist unless `create` is set. */
  directory: string
  create?: boolean | undefined
}

/** A key cannot contain a tilde, so this name collides with no object. */
const TEMPORARY = 'writing~'
/** Top-level names of a volume; other files in the directory belong to somebody else. */
const OURS = /^(chunks|meta|volume\.json)$/
/** Does not follow a symbolic link in place of an object, and does not block on a named pipe. */
const READ = constants.O_RDONLY | PLAIN_FILE

export class FileTier implements TierStorage {
  readonly name: string
  readonly #root: string
  readonly #permits = new Semaphore(tiersLimits.cloudCallsAtOnce)

  static async open({ directory, create = false }: FileTierOptions): Promise<FileTier> {
    if (directory === '') throw new FsError('EINVAL', 'no directory given: set --cloud-dir')
    const path = resolve(directory)
    try {
      if (!create) await assertFolder(path)
      const root = await realPlace(path)
      ;(await ObjectFolder.make(join(root, TEMPORARY)))[Symbol.dispose]()
      const tier = new FileTier(root)
      await tier.#tighten()
      await tier.#sweep()
      return tier
    } catch (error) {
      throw fileTierError(error, { verb: 'use', name: `file://${path}` })
    }
  }

  private constructor(root: string) {
    this.#root = root
    this.name = `file://${root}`
  }

  async read(key: string, options: ReadOptions = {}): Promise<Buffer> {
    checkKey(key)
    const range = new ObjectRange(options)
    return await this.#call('read', key, options, async () => {
      await using file = await this.#openObject(key)
      const length = range.lengthWithin((await file.stat()).size)
      const data = memoryOf(length, options.into)
      await fill(file, data, range.offset, options.signal)
      return data
    })
  }

  async write(key: string, data: Uint8Array, options: WriteOptions = {}): Promise<void> {
    checkKey(key)
    checkSize(data.length)
    await this.#call('write', key, options, async () => {
      checkCrc32(data, options.crc32)
      using writing = await ObjectFolder.open(join(this.#root, TEMPORARY))
      const temporary = writing.path(randomUUID())
      try {
        await writeVerified(temporary, data, options.signal)
        await this.#putInPlace(temporary, key)
      } catch (error) {
        await unlink(temporary).catch(() => undefined)
        throw error
      }
    })
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    checkKey(key)
    await this.#call('delete', key, options, async () => {
      const path = join(this.#root, key)
      try {
        // Fails for a symbolic link or a directory: only an object can be deleted as one.
        const file = await this.#openObject(key)
        await file.close()
        using folder = await ObjectFolder.open(dirname(path))
        await unlink(folder.path(basename(path)))
        await folder.sync()
      } catch (error) {
        if (!isAbsence(error)) throw error
        await this.#checkRoot()
        return
      }
      await this.#removeEmptyFolders(dirname(path))
    })
  }

  async exists(key: string, options: CallOptions = {}): Promise<boolean> {
    try {
      await this.size(key, options)
      return true
    } catch (error) {
      if (error instanceof FsError && error.code === 'ENOENT') return false
      throw error
    }
  }

  async size(key: string, options: CallOptions = {}): Promise<number> {
    checkKey(key)
    return await this.#call('get the size of', key, options, async () => {
      await using file = await this.#openObject(key)
      return (await file.stat()).size
    })
  }

  async *list(prefix: string, { signal }: CallOptions = {}): AsyncIterable<ListedObject> {
    checkListPrefix(prefix)
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    try {
      await this.#checkRoot()
      yield* this.#walk(folder, prefix, signal)
    } catch (error) {
      throw fileTierError(error, { verb: 'list', name: this.name, signal })
    }
  }

  async check({ signal }: CallOptions = {}): Promise<void> {
    await this.#call('use', undefined, { signal }, async () => {
      await this.#checkRoot()
      // access(2) succeeds on a read-only or broken mount; creating a file does not.
      using writing = await ObjectFolder.open(join(this.#root, TEMPORARY))
      const probe = writing.path(randomUUID())
      await using file = await open(probe, 'wx', 0o600)
      await unlink(probe)
      await file.sync()
    })
  }

  async close(): Promise<void> {
    // No descriptor stays open between calls.
  }

  async #call<T>(
    verb: string,
    key: string | undefined,
    { signal }: CallOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    const permit = await this.#permits.acquire(1, { signal })
    const what = { verb, key, name: this.name, signal }
    try {
      return await work()
    } catch (error) {
      if (isAbsence(error)) {
        await this.#checkRoot().catch((it: unknown) => Promise.reject(fileTierError(it, what)))
      }
      throw fileTierError(error, what)
    } finally {
      permit.release()
    }
  }

  /** Without its mount, a mount point is an empty directory; that must not read as "no objects". */
  async #checkRoot(): Promise<void> {
    const info = await lstat(join(this.#root, TEMPORARY)).catch(() => undefined)
    if (info?.isDirectory()) return
    throw new FsError('EIO', `it has no ${TEMPORARY} directory: is it still mounted?`)
  }

  async #openObject(key: string): Promise<FileHandle> {
    const path = join(this.#root, key)
    const file = await open(path, READ)
    try {
      checkThere(file.fd, path)
      if ((await file.stat()).isFile()) return file
      throw new FsError('ENOENT', 'it is not a regular file')
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async #putInPlace(temporary: string, key: string): Promise<void> {
    const path = join(this.#root, key)
    for (let attempt = 1; ; attempt++) {
      try {
        using folder = await ObjectFolder.make(dirname(path))
        await rename(temporary, folder.path(basename(path)))
        await folder.sync()
        return
      } catch (error) {
        // A concurrent delete removed the empty directory between the two calls.
        if (codeOf(error) !== 'ENOENT' || attempt === tiersLimits.fileTierPlaceAttempts) throw error
      }
    }
  }

  async #removeEmptyFolders(folder: string): Promise<void> {
    for (let path = folder; path.length > this.#root.length; path = dirname(path)) {
      try {
        using above = await ObjectFolder.open(dirname(path))
        await rmdir(above.path(basename(path)))
      } catch {
        return
      }
    }
  }

  async *#walk(
    folder: string,
    prefix: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<ListedObject> {
    const directory = await this.#openFolder(folder)
    for await (const entry of directory ?? []) {
      if (signal?.aborted) throw abortError(signal)
      const key = folder + entry.name
      if (!isKey(key)) continue
      const leadsThere = key.startsWith(prefix) || prefix.startsWith(`${key}/`)
      if (entry.isDirectory() && leadsThere) yield* this.#walk(`${key}/`, prefix, signal)
      else if (entry.isFile() && key.startsWith(prefix)) yield* this.#listed(key)
    }
  }

  /** Undefined if it was removed during the listing, or if no key has this prefix. */
  async #openFolder(folder: string): Promise<Dir | undefined> {
    try {
      using there = await ObjectFolder.open(resolve(this.#root, folder))
      return await opendir(there.path())
    } catch (error) {
      if (isAbsence(error)) return undefined
      throw error
    }
  }

  async *#listed(key: string): AsyncGenerator<ListedObject> {
    try {
      yield { key, size: (await lstat(join(this.#root, key))).size }
    } catch (error) {
      if (!isAbsence(error)) throw error
    }
  }

  /** Restricts what older releases or people created with wider modes; the top level is enough. */
  async #tighten(): Promise<void> {
    using root = await ObjectFolder.open(this.#root)
    for await (const entry of await opendir(root.path())) {
      if (entry.name !== TEMPORARY && !OURS.test(entry.name)) continue
      if (!entry.isFile() && !entry.isDirectory()) continue
      await using file = await open(root.path(entry.name), READ)
      const { mode, uid } = await file.stat()
      if (uid === process.geteuid?.() && (mode & 0o077) !== 0) await file.chmod(mode & 0o700)
    }
  }

  async #sweep(): Promise<void> {
    using folder = await ObjectFolder.open(join(this.#root, TEMPORARY))
    for await (const entry of await opendir(folder.path())) {
      const path = folder.path(entry.name)
      const info = await lstat(path).catch(() => undefined)
      const isOld = info !== undefined && Date.now() - info.mtimeMs > tiersLimits.fileTierLeftoverMs
      // Another node may be sweeping the same directory.
      if (isOld && info.isFile()) await unlink(path).catch(() => undefined)
    }
  }
}

async function fill(
  file: FileHandle,
  target: Buffer,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let filled = 0; filled < target.length;) {
    if (signal?.aborted) throw abortError(signal)
    const rest = target.length - filled
    const { bytesRead } = await file.read(target, filled, rest, offset + filled)
    if (bytesRead === 0) throw new FsError('EIO', 'the file was truncated while it was read')
    filled += bytesRead
  }
}

/** A path that does not exist is a typing error or an unmounted disk, not a new store. */
async function assertFolder(path: string): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory()) throw new FsError('ENOTDIR', `${path} is no directory`)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    const message = `no such directory: ${path}. Correct its name, or create it with --create`
    throw new FsError('ENOENT', message)
  }
}

/**
 * A tier in a directory: a network mount, a disk of its own, or simply a place to try things out.
 * An object is a plain file whose path is its key.
 *
 * Invariants: an object appears by rename, after its bytes and its CRC were read back from the
 * file and both file and folder are on disk, so a crash leaves the whole object or none. Writes
 * under way lie in a folder whose name no key can have; what a crash left there is swept at the
 * next opening. No key, symbolic link or folder leads out of the directory.
 */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { open, opendir, realpath, rename, rmdir, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { abortError } from '../../../base/abort.ts'
import { memoryOf } from '../../../base/buffer-pool.ts'
import { FsError, codeOf } from '../../../base/fs-error.ts'
import { Semaphore } from '../../../base/semaphore.ts'
import { limits } from '../../../limits.ts'
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
import { makeFolders } from './make-folders.ts'
import { syncFolder, writeVerified } from './verified-file.ts'

export interface FileTierOptions {
  /** Has to be there, unless `create` says that it may be made. */
  directory: string
  create?: boolean | undefined
}

/** Keys have no tilde. */
const TEMPORARY = 'writing~'
/** A link in the place of an object is not followed; a pipe there does not block. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

export class FileTier implements TierStorage {
  readonly name: string
  readonly #root: string
  readonly #places = new Semaphore(limits.cloudCallsAtOnce)

  static async open({ directory, create = false }: FileTierOptions): Promise<FileTier> {
    if (directory === '') throw new FsError('EINVAL', 'the directory has no name: set --cloud-dir')
    const path = resolve(directory)
    try {
      if (!create) await assertFolder(path)
      await makeFolders(join(path, TEMPORARY))
      const tier = new FileTier(await realpath(path))
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
      const temporary = join(this.#root, TEMPORARY, randomUUID())
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
        // Also where it is a link or a folder: what is no object cannot be deleted as one.
        const file = await this.#openObject(key)
        await file.close()
        await unlink(path)
      } catch (error) {
        if (!isAbsence(error)) throw error
        await this.#checkRoot()
        return
      }
      await this.#syncFolder(dirname(path))
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
    return await this.#call('look at', key, options, async () => {
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
      // Not access(2): it says nothing about a read-only or broken mount. A file can.
      const probe = join(this.#root, TEMPORARY, randomUUID())
      await using file = await open(probe, 'wx')
      await unlink(probe)
      await file.sync()
    })
  }

  async close(): Promise<void> {
    // Nothing is held open between calls.
  }

  async #call<T>(
    verb: string,
    key: string | undefined,
    { signal }: CallOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    const permit = await this.#places.acquire(1, { signal })
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

  /** A mount point without its mount is an empty folder: not everything in it is gone. */
  async #checkRoot(): Promise<void> {
    const info = await stat(join(this.#root, TEMPORARY)).catch(() => undefined)
    if (info?.isDirectory()) return
    throw new FsError('EIO', `${TEMPORARY} is missing in it: is it still mounted?`)
  }

  async #openObject(key: string): Promise<FileHandle> {
    const path = join(this.#root, key)
    await this.#checkInside(dirname(path))
    const file = await open(path, READ)
    if ((await file.stat()).isFile()) return file
    await file.close()
    throw new FsError('ENOENT', 'there is something else than a file')
  }

  /** Folders may be links that somebody made: those are not followed out of the directory. */
  async #checkInside(folder: string): Promise<void> {
    const real = await realpath(folder)
    if (real === this.#root || real.startsWith(this.#root + sep)) return
    throw new FsError('EACCES', `${folder} leads out of ${this.#root}`)
  }

  async #putInPlace(temporary: string, key: string): Promise<void> {
    const path = join(this.#root, key)
    const folder = dirname(path)
    for (let attempt = 1; ; attempt++) {
      try {
        const firstMade = await makeFolders(folder)
        await this.#checkInside(folder)
        await rename(temporary, path)
        await this.#syncFolder(folder, firstMade)
        return
      } catch (error) {
        // A deletion took the empty folder away between the two calls.
        if (codeOf(error) !== 'ENOENT' || attempt === limits.fileTierPlaceAttempts) throw error
      }
    }
  }

  /** A rename is on disk when its folder is, and so is a folder that was made. */
  async #syncFolder(folder: string, firstMade?: string): Promise<void> {
    const top = firstMade === undefined ? folder : dirname(firstMade)
    for (let path = folder; path.length >= top.length; path = dirname(path)) {
      try {
        await syncFolder(path)
      } catch (error) {
        // Taken away again already: then nothing in it needs to last.
        if (codeOf(error) !== 'ENOENT') throw error
      }
    }
  }

  async #removeEmptyFolders(folder: string): Promise<void> {
    for (let path = folder; path.length > this.#root.length; path = dirname(path)) {
      try {
        await rmdir(path)
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
    const directory = await opendir(join(this.#root, folder)).catch((error: unknown) => {
      // It went away while the listing came to it, or nothing has this prefix.
      if (isAbsence(error)) return undefined
      throw error
    })
    for await (const entry of directory ?? []) {
      if (signal?.aborted) throw abortError(signal)
      const key = folder + entry.name
      if (!isKey(key)) continue
      const leadsThere = key.startsWith(prefix) || prefix.startsWith(`${key}/`)
      if (entry.isDirectory() && leadsThere) yield* this.#walk(`${key}/`, prefix, signal)
      else if (entry.isFile() && key.startsWith(prefix)) yield* this.#listed(key)
    }
  }

  async *#listed(key: string): AsyncGenerator<ListedObject> {
    try {
      yield { key, size: (await stat(join(this.#root, key))).size }
    } catch (error) {
      if (!isAbsence(error)) throw error
    }
  }

  async #sweep(): Promise<void> {
    const folder = join(this.#root, TEMPORARY)
    for await (const entry of await opendir(folder)) {
      const path = join(folder, entry.name)
      const info = await stat(path).catch(() => undefined)
      const isOld = info !== undefined && Date.now() - info.mtimeMs > limits.fileTierLeftoverMs
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
    if (bytesRead === 0) throw new FsError('EIO', 'the file became shorter while it was read')
    filled += bytesRead
  }
}

/** A path that is not there is a typing error, or a disk that is not mounted: no new cloud. */
async function assertFolder(path: string): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory()) throw new FsError('ENOTDIR', `${path} is no folder`)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    const message = `there is no folder ${path}: correct its name, or have it made with --create`
    throw new FsError('ENOENT', message)
  }
}

/**
 * An open directory of objects. All operations in it go through its descriptor (/proc/self/fd), so
 * a symbolic link that replaces a directory at any moment cannot redirect them.
 *
 * Invariants: the descriptor refers to the directory at exactly that path below the root, or
 * opening fails. Directories are created with mode 0700 and are on disk when the call resolves.
 * Each directory is tried at most twice, so creation ends on a file system that answers every mkdir
 * with ENOENT (procfs, some automounters).
 */
import { closeSync, constants, fsync, open, readlinkSync } from 'node:fs'
import { mkdir, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { FsError, codeOf } from '../../../base/fs-error.ts'

const openFile = promisify(open)
const syncFile = promisify(fsync)

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY

export class ObjectFolder implements Disposable {
  readonly #fd: number

  private constructor(fd: number) {
    this.#fd = fd
  }

  /**
   * `path`: without symbolic links when the root was opened. EACCES: one of its parts is one now.
   */
  static async open(path: string): Promise<ObjectFolder> {
    const folder = new ObjectFolder(await openFile(path, FOLDER))
    try {
      checkThere(folder.#fd, path)
      return folder
    } catch (error) {
      folder[Symbol.dispose]()
      throw error
    }
  }

  /** Opens the directory; creates it and its parents if they do not exist. */
  static async make(path: string): Promise<ObjectFolder> {
    try {
      return await ObjectFolder.open(path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    }
    using above = await ObjectFolder.make(dirname(path))
    await mkdir(above.path(basename(path)), { mode: 0o700 }).catch((error: unknown) => {
      // Another writer created it at the same time.
      if (codeOf(error) !== 'EEXIST') throw error
    })
    await above.sync()
    return await ObjectFolder.open(path)
  }

  /** Path of `name` in this directory, or of the directory itself. */
  path(name = ''): string {
    return join('/proc/self/fd', String(this.#fd), name)
  }

  /** Makes entries created, renamed or removed so far durable. */
  async sync(): Promise<void> {
    await syncFile(this.#fd)
  }

  /** Does not block: a directory has no data in flight. */
  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}

/** EACCES if the descriptor does not refer to `path` itself but to the target of a link. */
export function checkThere(fd: number, path: string): void {
  const there = readlinkSync(`/proc/self/fd/${fd}`)
  // It may be replaced or removed a moment later; the descriptor stays valid.
  if (there === path || there === `${path} (deleted)`) return
  throw new FsError('EACCES', `${path} is a symbolic link to ${there}`)
}

/** `path` without symbolic links; its last parts need not exist. */
export async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    return join(await realPlace(dirname(path)), basename(path))
  }
}

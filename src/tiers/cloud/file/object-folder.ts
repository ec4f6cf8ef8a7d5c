/**
 * The folder that an object is in, open: what is done in it is done by way of its descriptor
 * (/proc/self/fd), so that a link which somebody puts in the place of a folder, at whatever moment,
 * leads nowhere.
 *
 * Invariants: the descriptor is of exactly the folder at that path below the root, or there is
 * none; folders that are made have mode 0700, and are on disk when the call resolves. Each folder
 * is tried twice at most: where a file system answers ENOENT to every mkdir (procfs, some
 * automounters) it ends.
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

  /** `path`: real when the root was opened. EACCES: it leads elsewhere by now. */
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

  /** Makes it, and those above it, where they are not there. */
  static async make(path: string): Promise<ObjectFolder> {
    try {
      return await ObjectFolder.open(path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    }
    using above = await ObjectFolder.make(dirname(path))
    await mkdir(above.path(basename(path)), { mode: 0o700 }).catch((error: unknown) => {
      // Somebody else made it at the same time.
      if (codeOf(error) !== 'EEXIST') throw error
    })
    await above.sync()
    return await ObjectFolder.open(path)
  }

  /** Of something in it; of itself without a name. */
  path(name = ''): string {
    return join('/proc/self/fd', String(this.#fd), name)
  }

  /** What was made, renamed or removed in it lasts from then on. */
  async sync(): Promise<void> {
    await syncFile(this.#fd)
  }

  /** Waits for nothing: no bytes are under way to a folder. */
  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}

/** EACCES where the descriptor is not of what is at that path itself, but behind a link. */
export function checkThere(fd: number, path: string): void {
  const there = readlinkSync(`/proc/self/fd/${fd}`)
  // Replaced or removed a moment later, which is no harm.
  if (there === path || there === `${path} (deleted)`) return
  throw new FsError('EACCES', `${path} leads to ${there}`)
}

/** The same place without links, though not all of it has to be there. */
export async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    return join(await realPlace(dirname(path)), basename(path))
  }
}

/**
 * Maps paths of a `LocalFS` to paths of the machine, without a way out of its directory. Symbolic
 * links are resolved here, name by name, as if the directory were the root of the machine: an
 * absolute target starts at it, and `..` stops at it.
 *
 * Most paths contain no links: one realpath(3) of the parent shows this, and nothing else is
 * resolved.
 */
import { lstat, readlink, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../base/fs-error.ts'
import { failure } from '../failure.ts'
import { parentOf } from '../file-path.ts'
import { PathWalk } from '../real-path.ts'

export class LocalPath {
  /** Path of the directory, without links. */
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  /** The path on the machine; its last name may not exist. */
  async resolve(path: string, follow: boolean): Promise<string> {
    const plain = join(this.root, path)
    if (path === '/') return plain
    try {
      const parent = join(this.root, parentOf(path))
      if ((await realpath(parent)) === parent && (!follow || !(await isLink(plain)))) return plain
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ELOOP') throw error
    }
    return await this.#walk(path, follow)
  }

  /** Whether the real path of something open is in the directory. */
  holds(realPath: string): boolean {
    return realPath === this.root || realPath.startsWith(join(this.root, '/'))
  }

  async #walk(path: string, follow: boolean): Promise<string> {
    const walk = new PathWalk(path)
    for (let at = walk.next(); at !== undefined; at = walk.next()) {
      if (walk.isLast && !follow) break
      const place = join(this.root, at)
      const stats = await lstat(place).catch((error: unknown) => {
        if (walk.isLast && codeOf(error) === 'ENOENT') return undefined
        throw failure(codeOf(error), 'lstat', path, { cause: error })
      })
      if (stats?.isSymbolicLink()) walk.follow(await readlink(place))
      else if (stats !== undefined && !stats.isDirectory() && !walk.isLast) {
        throw failure('ENOTDIR', 'lstat', path)
      }
    }
    return join(this.root, walk.path)
  }
}

async function isLink(place: string): Promise<boolean> {
  try {
    return (await lstat(place)).isSymbolicLink()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

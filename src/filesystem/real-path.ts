/**
 * Resolves all symbolic links of a path within a file system: absolute targets start at its root,
 * and `..` stops there. For file systems without a realpath of their own.
 */
import { codeOf } from '../base/fs-error.ts'
import { filesystemLimits } from './limits.ts'
import { failure } from './failure.ts'
import { childOf, namesOf, normalize, parentOf } from './file-path.ts'
import type { CallOptions, FileSystem } from './file-system.ts'

type Links = Pick<FileSystem, 'lstat' | 'readlink' | 'features'>

export async function realPath(
  files: Links,
  path: string,
  options: CallOptions = {},
): Promise<string> {
  const place = await realPlace(files, path, options)
  await files.lstat(place, options)
  return place
}

/** Like `realPath`, but the last name may not exist. */
export async function realPlace(
  files: Links,
  path: string,
  options: CallOptions = {},
): Promise<string> {
  if (!files.features.symlinks) return path
  const walk = new PathWalk(path)
  for (let at = walk.next(); at !== undefined; at = walk.next()) {
    const stats = await files.lstat(at, options).catch((error: unknown) => {
      if (walk.isLast && codeOf(error) === 'ENOENT') return undefined
      throw error
    })
    if (stats?.isSymbolicLink() === true) walk.follow(await files.readlink(at, options))
    else if (stats?.isDirectory() === false && !walk.isLast) {
      throw failure('ENOTDIR', 'realpath', path)
    }
  }
  return walk.path
}

/**
 * Walks a path name by name; the names of a link's target are inserted before the remaining ones.
 */
export class PathWalk {
  readonly #path: string
  #at = '/'
  #left: string[]
  #links = 0

  constructor(path: string) {
    this.#path = path
    this.#left = namesOf(path)
  }

  /** The path walked so far. */
  get path(): string {
    return this.#at
  }

  get isLast(): boolean {
    return this.#left.length === 0
  }

  /** The next path to look up; undefined at the end. */
  next(): string | undefined {
    for (let name = this.#left.shift(); name !== undefined; name = this.#left.shift()) {
      if (name === '' || name === '.') continue
      if (name === '..') {
        this.#at = parentOf(this.#at)
        continue
      }
      this.#at = childOf(this.#at, name)
      return this.#at
    }
    return undefined
  }

  /** Continues at the target of a link, which is at the path that `next` returned last. */
  follow(target: string): void {
    if (++this.#links > filesystemLimits.linksFollowed) throw failure('ELOOP', 'stat', this.#path)
    const names = target.split('/')
    this.#at = target.startsWith('/') ? '/' : parentOf(this.#at)
    this.#left = [...names, ...this.#left]
    if (this.#left.length > filesystemLimits.pathBytes) throw failure('ELOOP', 'stat', this.#path)
    normalize(this.#at)
  }
}

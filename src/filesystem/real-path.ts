/**
 * Where a path leads when every symbolic link on it is followed, within the file system: links
 * with an absolute target start at its root, and `..` stops there. For file systems that cannot ask
 * somebody who knows.
 */
import { codeOf } from '../base/fs-error.ts'
import { limits } from '../limits.ts'
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

/** As `realPath`, but the last name may be missing: where it would be made. */
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

/** Goes down a path name by name; links put their target's names in front of what is left. */
export class PathWalk {
  readonly #asked: string
  #at = '/'
  #left: string[]
  #links = 0

  constructor(path: string) {
    this.#asked = path
    this.#left = namesOf(path)
  }

  /** What was walked so far. */
  get path(): string {
    return this.#at
  }

  get isLast(): boolean {
    return this.#left.length === 0
  }

  /** The next path to look at. */
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

  /** What `next` gave last is a link to there. */
  follow(target: string): void {
    if (++this.#links > limits.linksFollowed) throw failure('ELOOP', 'stat', this.#asked)
    const names = target.split('/')
    this.#at = target.startsWith('/') ? '/' : parentOf(this.#at)
    this.#left = [...names, ...this.#left]
    if (this.#left.length > limits.pathBytes) throw failure('ELOOP', 'stat', this.#asked)
    normalize(this.#at)
  }
}

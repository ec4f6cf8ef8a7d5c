/**
 * Resolves paths to inodes by walking names from the root. Symbolic links are followed inside the
 * volume: an absolute target starts at the root of the volume, and `..` never leaves it.
 */
import { FsError, codeOf } from '../../base/fs-error.ts'
import {
  ROOT_INODE,
  type Attributes,
  type Caller,
  type InodeFileSystem,
} from '../../filesystem/inode-file-system.ts'
import { baseLimits } from '../../base/limits.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../metadata/inode-rules.ts'

/** An inode, and the name under which it was found. */
export interface Found {
  attributes: Attributes
  parent: number
  name: Uint8Array
}

interface Place {
  parent: number
  name: Uint8Array
}

/** Without `attributes`: the name does not exist. */
export interface Target extends Place {
  attributes?: Attributes
}

export class PathResolver {
  readonly #volume: InodeFileSystem
  readonly #caller: Caller

  constructor(volume: InodeFileSystem, caller: Caller) {
    this.#volume = volume
    this.#caller = caller
  }

  /** The directory that contains (or would contain) the last name of a path. */
  place(path: string): Place {
    const names = split(path)
    const name = names.pop()
    if (name === undefined) throw new FsError('EISDIR', 'the root is a directory', { path })
    const parent = this.#walk(path, names, true).attributes.ino
    return { parent, name }
  }

  resolve(path: string, follow: boolean): Found {
    return this.#walk(path, split(path), follow)
  }

  /**
   * The target of open(2) with O_CREAT: the end of the chain of links, whether it exists or not.
   */
  target(path: string): Target {
    let last: Place | undefined
    try {
      return this.#walk(path, split(path), true, (place) => {
        last = place
      })
    } catch (error) {
      if (last === undefined || codeOf(error) !== 'ENOENT') throw error
      return last
    }
  }

  /** The last existing directory of a path, and the names of the missing ones below it. */
  nearest(path: string): { parent: number; missing: Uint8Array[] } {
    const missing: Uint8Array[] = []
    const all = split(path)
    if (all.some(({ length }) => length > baseLimits.nameBytes)) {
      throw new FsError('ENAMETOOLONG', `a name has at most ${baseLimits.nameBytes} bytes`, {
        path,
      })
    }
    for (const names = all.slice(0, -1); ; missing.unshift(names.pop()!)) {
      try {
        return { parent: requireDirectory(this.#walk(path, names, true).attributes, path), missing }
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || names.length === 0) throw error
      }
    }
  }

  /** Walks names from the root; `..` in links goes up inside the volume, never out of it. */
  #walk(
    path: string,
    names: Uint8Array[],
    follow: boolean,
    onLook?: (last: Place | undefined) => void,
  ): Found {
    const pending = [...names]
    const stack = [this.#root()]
    let links = 0
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      const step = Buffer.from(name).toString('latin1')
      if (step === '.') continue
      if (step === '..') {
        if (stack.length > 1) stack.pop()
        continue
      }
      const parent = stack.at(-1)?.attributes.ino ?? ROOT_INODE
      const wanted = name
      onLook?.(pending.length === 0 ? { parent, name } : undefined)
      const attributes = at(path, () => this.#volume.lookup(this.#caller, parent, wanted))
      const isLink = (attributes.mode & S_IFMT) === S_IFLNK
      if (!isLink || (!follow && pending.length === 0)) {
        stack.push({ attributes, parent, name })
        continue
      }
      if (++links > filesystemLimits.linksFollowed)
        throw new FsError('ELOOP', 'too many links', { path })
      const target = this.#volume.readlink(this.#caller, attributes.ino)
      if (target[0] === 0x2f) stack.length = 1
      pending.unshift(...splitBytes(target))
    }
    return stack.at(-1) ?? this.#root()
  }

  #root(): Found {
    const attributes = this.#volume.getattr(this.#caller, ROOT_INODE)
    return { attributes, parent: ROOT_INODE, name: new Uint8Array(0) }
  }
}

/** Returns the number of its inode; ENOTDIR if it is not a directory. */
export function requireDirectory({ ino, mode }: Attributes, path: string): number {
  if ((mode & S_IFMT) === S_IFDIR) return ino
  throw new FsError('ENOTDIR', `${path}: a part of it is no directory`, { path })
}

/** Names of a path; `.` and `..` are not allowed in it. */
function split(path: string): Uint8Array[] {
  if (!path.startsWith('/') || path.includes('\0')) {
    throw new FsError('EINVAL', 'a path begins with a slash and has no NUL byte', { path })
  }
  const names = splitBytes(Buffer.from(path))
  if (names.some((name) => /^\.\.?$/.test(Buffer.from(name).toString('latin1')))) {
    throw new FsError('EINVAL', 'a path has no "." or ".." parts', { path })
  }
  return names
}

function splitBytes(path: Uint8Array): Uint8Array[] {
  const parts = Buffer.from(path).toString('latin1').split('/')
  return parts.filter((part) => part !== '').map((part) => Buffer.from(part, 'latin1'))
}

/** Adds the path to an error that names only inodes. */
export function at<T>(path: string, operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    if (!(error instanceof FsError) || error.path !== undefined) throw error
    const message = `${path}: ${error.message.replace(/^[A-Z]+: /, '')}`
    throw new FsError(error.code, message, { path, syscall: error.syscall, cause: error.cause })
  }
}

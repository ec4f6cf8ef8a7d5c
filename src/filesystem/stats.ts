/**
 * Attributes of files and entries of directories, with the interface of Node's `Stats` and
 * `Dirent`. An additional `etag` differs whenever the content differs, which is how a cache
 * validates its copy.
 */

/** Kinds of files that all file systems have; pipes, devices and others are `other`. */
export type FileKind = 'file' | 'directory' | 'symlink' | 'other'

const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000, other: 0 }
const TYPE_MASK = 0o170000

/** Known attributes; missing ones get plausible defaults. */
export interface StatFields {
  kind: FileKind
  size?: number | undefined
  /** Permission bits; type bits are taken from `kind`. */
  mode?: number | undefined
  ino?: number | undefined
  nlink?: number | undefined
  uid?: number | undefined
  gid?: number | undefined
  atimeMs?: number | undefined
  mtimeMs?: number | undefined
  ctimeMs?: number | undefined
  birthtimeMs?: number | undefined
  etag?: string | undefined
}

/** Predicates of Node's classes on the kind of a file. */
abstract class OfKind {
  abstract readonly kind: FileKind

  isFile(): boolean {
    return this.kind === 'file'
  }

  isDirectory(): boolean {
    return this.kind === 'directory'
  }

  isSymbolicLink(): boolean {
    return this.kind === 'symlink'
  }

  isBlockDevice(): boolean {
    return false
  }

  isCharacterDevice(): boolean {
    return false
  }

  isFIFO(): boolean {
    return false
  }

  isSocket(): boolean {
    return false
  }
}

export class Stats extends OfKind {
  readonly dev = 0
  readonly rdev = 0
  readonly blksize = 4096
  readonly ino: number
  /** Type and permission bits, as in st_mode. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly atimeMs: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly birthtimeMs: number
  /** Differs whenever the content differs. */
  readonly etag: string

  constructor(fields: StatFields) {
    super()
    const { kind, mtimeMs = 0 } = fields
    this.ino = fields.ino ?? 0
    this.mode = ((fields.mode ?? DEFAULT_MODES[kind]) & ~TYPE_MASK) | TYPE_BITS[kind]
    this.nlink = fields.nlink ?? 1
    this.uid = fields.uid ?? 0
    this.gid = fields.gid ?? 0
    this.size = fields.size ?? 0
    this.mtimeMs = mtimeMs
    this.atimeMs = fields.atimeMs ?? mtimeMs
    this.ctimeMs = fields.ctimeMs ?? mtimeMs
    this.birthtimeMs = fields.birthtimeMs ?? mtimeMs
    this.etag = fields.etag ?? `${this.size}-${mtimeMs}`
  }

  /** Blocks of 512 bytes. */
  get blocks(): number {
    return Math.ceil(this.size / 512)
  }

  get atime(): Date {
    return new Date(this.atimeMs)
  }

  get mtime(): Date {
    return new Date(this.mtimeMs)
  }

  get ctime(): Date {
    return new Date(this.ctimeMs)
  }

  get birthtime(): Date {
    return new Date(this.birthtimeMs)
  }

  get kind(): FileKind {
    return kindOf(this.mode)
  }

  /** All fields, including the defaults of those that were not given. */
  get fields(): StatFields & { kind: FileKind } {
    const { kind, size, mode, ino, nlink, uid, gid, atimeMs, mtimeMs, ctimeMs, birthtimeMs } = this
    const times = { atimeMs, mtimeMs, ctimeMs, birthtimeMs }
    return { kind, size, mode, ino, nlink, uid, gid, ...times, etag: this.etag }
  }
}

const DEFAULT_MODES = { file: 0o644, directory: 0o755, symlink: 0o777, other: 0o644 }

export function kindOf(mode: number): FileKind {
  switch (mode & TYPE_MASK) {
    case TYPE_BITS.file:
      return 'file'
    case TYPE_BITS.directory:
      return 'directory'
    case TYPE_BITS.symlink:
      return 'symlink'
    default:
      return 'other'
  }
}

/** An entry of a directory listing; creating it takes no further request. */
export class Dirent extends OfKind {
  readonly name: string
  /** Path of the directory. */
  readonly parentPath: string
  readonly kind: FileKind
  /** Attributes of lstat, if the listing included them. */
  readonly stats: Stats | undefined

  constructor(name: string, parentPath: string, kind: FileKind, stats?: Stats) {
    super()
    this.name = name
    this.parentPath = parentPath
    this.kind = kind
    this.stats = stats
  }
}

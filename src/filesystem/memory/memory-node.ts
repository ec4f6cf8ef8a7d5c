/**
 * An inode in memory: a file, directory or symbolic link with its attributes. Each change of
 * content gets a version number that is unique in the process.
 */
import { Stats } from '../stats.ts'
import type { FileKind } from '../stats.ts'
import type { AttributeChanges } from '../file-system.ts'
import { MemoryPages } from './memory-pages.ts'

let inodes = 0
/** Makes etags unique among all file systems of this process. */
let versions = 0

export class MemoryNode {
  readonly kind: FileKind
  readonly ino = ++inodes
  readonly children = new Map<string, MemoryNode>()
  readonly target: string
  pages = new MemoryPages()
  #mode: number
  #uid = 0
  #gid = 0
  #atimeMs: number
  #mtimeMs: number
  #ctimeMs: number
  #version = ++versions
  readonly #birthtimeMs = Date.now()
  /** The last name was removed. */
  isRemoved = false

  constructor(kind: FileKind, mode: number, target = '') {
    this.kind = kind
    this.target = target
    this.#mode = mode
    this.#atimeMs = this.#mtimeMs = this.#ctimeMs = this.#birthtimeMs
  }

  /** The content, or the names in a directory, changed. */
  touch(): void {
    this.#version = ++versions
    this.#mtimeMs = this.#ctimeMs = Date.now()
  }

  change({ mode, uid, gid, atimeMs, mtimeMs }: AttributeChanges): void {
    if (mode !== undefined) this.#mode = mode & 0o7777
    this.#uid = uid ?? this.#uid
    this.#gid = gid ?? this.#gid
    this.#atimeMs = atimeMs ?? this.#atimeMs
    this.#mtimeMs = mtimeMs ?? this.#mtimeMs
    this.#ctimeMs = Date.now()
  }

  /** Takes over the pages of a node that nobody else uses: an atomic replacement for readers. */
  takeContentOf(other: MemoryNode): void {
    this.pages = other.pages
    this.touch()
  }

  get stats(): Stats {
    return new Stats({
      kind: this.kind,
      size: this.kind === 'symlink' ? this.target.length : this.pages.size,
      mode: this.#mode,
      ino: this.ino,
      nlink: this.isRemoved ? 0 : 1,
      uid: this.#uid,
      gid: this.#gid,
      atimeMs: this.#atimeMs,
      mtimeMs: this.#mtimeMs,
      ctimeMs: this.#ctimeMs,
      birthtimeMs: this.#birthtimeMs,
      etag: String(this.#version),
    })
  }
}

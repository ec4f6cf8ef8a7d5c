/**
 * Inode numbers for a file system of paths: a tree of the names that the kernel has looked up. A
 * renamed name keeps its number, and so does everything below it. A name that is removed, or
 * becomes a file of another kind, loses its number for good: numbers are never reused, so that an
 * old reference never reaches another file (ESTALE).
 *
 * The size is bounded by the kernel: a number is kept as long as the kernel refers to it (each
 * reply that names it counts, FORGET subtracts), it is open, or an entry below it is kept.
 */
import { FsError } from '../../base/fs-error.ts'
import { childOf } from '../file-path.ts'
import { ROOT_INODE } from '../inode-file-system.ts'
import type { FileKind, Stats } from '../stats.ts'

export class InodeName {
  readonly ino: number
  readonly kind: FileKind
  readonly children = new Map<string, InodeName>()
  name: string
  parent: InodeName | undefined
  /** References that the kernel holds. */
  lookups = 0
  /** Number of open handles. */
  uses = 0
  /** Version whose pages the kernel may have cached. */
  etag: string | undefined
  /** The name does not exist any more, or belongs to another inode. */
  isGone = false
  /** Attributes of a removed directory, for those who have it open. */
  last: Stats | undefined

  constructor(ino: number, kind: FileKind, name: string, parent?: InodeName) {
    this.ino = ino
    this.kind = kind
    this.name = name
    this.parent = parent
  }
}

export class InodeTable {
  readonly #names = new Map<number, InodeName>()
  readonly #root = new InodeName(ROOT_INODE, 'directory', '')
  #last = ROOT_INODE

  constructor() {
    this.#names.set(ROOT_INODE, this.#root)
  }

  get size(): number {
    return this.#names.size
  }

  /** ESTALE if it does not exist; the kernel then looks the name up again. */
  get(ino: number): InodeName {
    const found = this.#names.get(ino)
    if (found === undefined) throw new FsError('ESTALE', `inode ${ino} is not known any more`)
    return found
  }

  find(parent: number, name: string): InodeName | undefined {
    return this.#names.get(parent)?.children.get(name)
  }

  /** ENOENT if the inode has no name any more. */
  path(ino: number): string {
    const at = this.get(ino)
    const names: string[] = []
    for (let it: InodeName = at; it.parent !== undefined; it = it.parent) {
      if (it.isGone) throw new FsError('ENOENT', `nothing has the name of inode ${ino} any more`)
      names.push(it.name)
    }
    return `/${names.reverse().join('/')}`
  }

  pathIn(parent: number, name: string): string {
    return childOf(this.path(parent), name)
  }

  /**
   * Number of the file that has this name now; a new one if the name is new or its kind has
   * changed.
   */
  enter(parent: number, name: string, kind: FileKind): InodeName {
    const directory = this.get(parent)
    const known = directory.children.get(name)
    if (known?.kind === kind) return known
    if (known !== undefined) this.#leave(known)
    const made = new InodeName(++this.#last, kind, name, directory)
    directory.children.set(name, made)
    this.#names.set(made.ino, made)
    return made
  }

  /** The name was removed. */
  remove(parent: number, name: string): void {
    const found = this.find(parent, name)
    if (found !== undefined) this.#leave(found)
  }

  move(from: { parent: number; name: string }, to: { parent: number; name: string }): void {
    const moved = this.find(from.parent, from.name)
    const replaced = this.find(to.parent, to.name)
    if (moved !== undefined && moved === replaced) return
    if (replaced !== undefined) this.#leave(replaced)
    if (moved === undefined) return
    const left = moved.parent
    left?.children.delete(from.name)
    moved.parent = this.get(to.parent)
    moved.name = to.name
    moved.parent.children.set(to.name, moved)
    if (left !== undefined) this.release(left)
  }

  /** Subtracts references that the kernel has released. */
  forget(ino: number, count: number): void {
    const found = this.#names.get(ino)
    if (found === undefined) return
    found.lookups = Math.max(0, found.lookups - count)
    this.release(found)
  }

  /** Drops a number without references, and parents that were kept only for it. */
  release(name: InodeName): void {
    for (let at = name; at.parent !== undefined; at = at.parent) {
      if (at.lookups > 0 || at.uses > 0 || at.children.size > 0) return
      this.#names.delete(at.ino)
      const { children } = at.parent
      if (children.get(at.name) === at) children.delete(at.name)
      at.isGone = true
    }
  }

  /** The number stays valid for the kernel and open handles; no path leads to it. */
  #leave(name: InodeName): void {
    name.isGone = true
    name.parent?.children.delete(name.name)
    this.release(name)
  }
}

/**
 * Inode numbers for a file system that knows only paths: a tree of the names that the kernel knows,
 * each with a number. A name that is moved keeps its number, and so does everything below it; one
 * that is removed, or becomes a file of another kind, loses its number for good: none is given
 * twice, so that an old reference never reaches something else (ESTALE).
 *
 * Bounded by the kernel: a number stays as long as the kernel refers to it (every reply that names
 * it counts, FORGET takes back), somebody has it open, or something below it stays.
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
  /** Open handles. */
  uses = 0
  /** The version whose pages the kernel may still have. */
  etag: string | undefined
  /** Nothing has this name any more, or something else. */
  isGone = false
  /** Of a directory that was removed: what those see who have it open. */
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

  /** ESTALE where it has gone: the kernel then looks the name up again. */
  get(ino: number): InodeName {
    const found = this.#names.get(ino)
    if (found === undefined) throw new FsError('ESTALE', `inode ${ino} is not known any more`)
    return found
  }

  find(parent: number, name: string): InodeName | undefined {
    return this.#names.get(parent)?.children.get(name)
  }

  /** ENOENT where nothing has the name any more. */
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

  /** The number of what has this name now: a new one where it had none, or was of another kind. */
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

  /** Nothing has this name any more. */
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

  /** The kernel holds so many references less. */
  forget(ino: number, count: number): void {
    const found = this.#names.get(ino)
    if (found === undefined) return
    found.lookups = Math.max(0, found.lookups - count)
    this.release(found)
  }

  /** Lets go of a number that nobody refers to, and of those above that stayed for it alone. */
  release(name: InodeName): void {
    for (let at = name; at.parent !== undefined; at = at.parent) {
      if (at.lookups > 0 || at.uses > 0 || at.children.size > 0) return
      this.#names.delete(at.ino)
      const { children } = at.parent
      if (children.get(at.name) === at) children.delete(at.name)
      at.isGone = true
    }
  }

  /** The kernel and open handles may go on using the number; no path leads to it. */
  #leave(name: InodeName): void {
    name.isGone = true
    name.parent?.children.delete(name.name)
    this.release(name)
  }
}

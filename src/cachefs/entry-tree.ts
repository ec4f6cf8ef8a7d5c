/**
 * The tree of all entries, and a clock that tells old answers from new ones: whoever asks the
 * remote remembers the time, and what was changed here since is not overwritten by the answer.
 */
import { namesOf } from '../filesystem/file-path.ts'
import { Stats } from '../filesystem/stats.ts'
import { limits } from '../limits.ts'
import { Entry, NEVER } from './entry.ts'

export class EntryTree {
  readonly root = new Entry('', undefined)
  #count = 1
  #clock = 0

  constructor() {
    this.root.stats = new Stats({ kind: 'directory' })
  }

  /** Now; everything touched later has a larger number. */
  get clock(): number {
    return this.#clock
  }

  get count(): number {
    return this.#count
  }

  /** It was changed here. */
  touch(entry: Entry): void {
    entry.touched = ++this.#clock
  }

  find(path: string): Entry | undefined {
    let entry: Entry | undefined = this.root
    for (const name of namesOf(path)) entry = entry?.children.get(name)
    return entry
  }

  /** The entry of that name, new where there was none. */
  child(directory: Entry, name: string): Entry {
    const known = directory.children.get(name)
    if (known !== undefined) return known
    const entry = new Entry(name, directory)
    directory.children.set(name, entry)
    this.#count++
    if (this.#count > limits.cacheEntries) this.#shrink(entry)
    return entry
  }

  /** The name goes; the entry and what is below it stay with those that have them open. */
  detach(entry: Entry): void {
    if (entry.parent?.children.get(entry.name) !== entry) return
    entry.parent.children.delete(entry.name)
    for (const each of entry.all()) {
      each.isDetached = true
      this.#count--
    }
  }

  /** Its name is another; whatever had that name was detached before. */
  move(entry: Entry, directory: Entry, name: string): void {
    entry.parent?.children.delete(entry.name)
    entry.parent = directory
    entry.name = name
    directory.children.set(name, entry)
  }

  /** Forgets the tenth that was confirmed longest ago of what can be asked for again. */
  #shrink(keep: Entry): void {
    const free = [...this.root.all()].filter((it) => it !== keep && isForgettable(it))
    free.sort((a, b) => a.validatedMs - b.validatedMs)
    for (const entry of free.slice(0, Math.ceil(limits.cacheEntries / 10))) {
      // Not listed any more: a missing child would count as missing on the remote.
      if (entry.parent !== undefined) entry.parent.listedMs = NEVER
      this.detach(entry)
    }
  }
}

function isForgettable(entry: Entry): boolean {
  const isLeaf = entry.children.size === 0 && entry.parent !== undefined
  return isLeaf && entry.copy === undefined && !entry.isPinned && entry.parent?.isPinned !== true
}

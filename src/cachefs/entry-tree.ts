/**
 * The tree of all entries, with a logical clock. A request to the remote records the clock when it
 * starts; an entry that was changed locally since then is not overwritten by the answer.
 */
import { namesOf } from '../filesystem/file-path.ts'
import { Stats } from '../filesystem/stats.ts'
import { cachefsLimits } from './limits.ts'
import { Entry, NEVER } from './entry.ts'

export class EntryTree {
  readonly root = new Entry('', undefined)
  #count = 1
  #clock = 0

  constructor() {
    this.root.stats = new Stats({ kind: 'directory' })
  }

  /** Current value; anything touched later gets a larger one. */
  get clock(): number {
    return this.#clock
  }

  get count(): number {
    return this.#count
  }

  /** The entry was changed locally. */
  touch(entry: Entry): void {
    entry.touched = ++this.#clock
  }

  find(path: string): Entry | undefined {
    let entry: Entry | undefined = this.root
    for (const name of namesOf(path)) entry = entry?.children.get(name)
    return entry
  }

  /** The entry of that name; created if it does not exist. */
  child(directory: Entry, name: string): Entry {
    const known = directory.children.get(name)
    if (known !== undefined) return known
    const entry = new Entry(name, directory)
    directory.children.set(name, entry)
    this.#count++
    if (this.#count > cachefsLimits.cacheEntries) this.#shrink(entry)
    return entry
  }

  /** Removes the name; open files keep using the entry and those below it. */
  detach(entry: Entry): void {
    if (entry.parent?.children.get(entry.name) !== entry) return
    entry.parent.children.delete(entry.name)
    for (const each of entry.all()) {
      each.isDetached = true
      this.#count--
    }
  }

  /** Renames the entry; the entry that had the name must have been detached. */
  move(entry: Entry, directory: Entry, name: string): void {
    entry.parent?.children.delete(entry.name)
    entry.parent = directory
    entry.name = name
    directory.children.set(name, entry)
  }

  /** Drops a tenth of the limit: unpinned leaves without copy, the longest unconfirmed first. */
  #shrink(keep: Entry): void {
    const free = [...this.root.all()].filter((it) => it !== keep && isForgettable(it))
    free.sort((a, b) => a.validatedMs - b.validatedMs)
    for (const entry of free.slice(0, Math.ceil(cachefsLimits.cacheEntries / 10))) {
      // The listing is incomplete now: an absent child would count as absent at the remote.
      if (entry.parent !== undefined) entry.parent.listedMs = NEVER
      this.detach(entry)
    }
  }
}

function isForgettable(entry: Entry): boolean {
  const isLeaf = entry.children.size === 0 && entry.parent !== undefined
  return isLeaf && entry.copy === undefined && !entry.isPinned && entry.parent?.isPinned !== true
}

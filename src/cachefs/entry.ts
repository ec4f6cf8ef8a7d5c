/**
 * What a CacheFS knows of one name: an inode and a directory entry in one, a node of a tree that
 * mirrors the remote's as far as it was asked about, with what was changed here on top.
 *
 * Invariants: `stats` is undefined while nothing is known, null when it is known that there is
 * nothing. An entry that is pinned (being changed, changes under way to the remote, or a writer) is
 * the truth, and nothing that the remote says replaces it. An entry that lost its name stays with
 * those that have it open, and is found by nobody else.
 */
import { childOf } from '../filesystem/file-path.ts'
import { Stats } from '../filesystem/stats.ts'
import type { FileKind, StatFields } from '../filesystem/stats.ts'
import type { LocalCopy } from './local-copy.ts'

/** Valid as long as nobody says otherwise, and never. */
export const NEVER = -Infinity

/** Etags of this process are no other's: a journal hands them on to the next. */
const origin = Math.random().toString(36).slice(2)
let versions = 0

export class Entry {
  name: string
  parent: Entry | undefined
  readonly children = new Map<string, Entry>()
  stats: Stats | null | undefined
  /** What a listing said that it is, while nothing else is known. */
  hint: FileKind | undefined
  /** Where a symbolic link leads. */
  target = ''
  copy: LocalCopy | undefined
  /** When the remote last confirmed `stats`. */
  validatedMs = NEVER
  /** When the remote last said which children there are; Infinity: the directory is from here. */
  listedMs = NEVER
  /** The remote's version that this one builds on; null: it has none; undefined: not known. */
  baseEtag: string | null | undefined
  /** Changes that are on their way to the remote. */
  pending = 0
  /** Open files that may write. */
  writers = 0
  /** Calls that are changing it or its name. */
  changers = 0
  /** Changed here since it last was given to the remote. */
  isDirty = false
  /** Number of the dirty state in the journal. */
  dirtyId: number | undefined
  /** Its copy stands in the journal. */
  isRecorded = false
  /** Clock of the tree when this was last changed here: older answers do not apply. */
  touched = 0
  /** Counts changes of content, each before it is made. */
  generation = 0
  /** A change of content is being made. */
  isChanging = false
  isDetached = false

  constructor(name: string, parent: Entry | undefined) {
    this.name = name
    this.parent = parent
  }

  get path(): string {
    return this.parent === undefined ? '/' : childOf(this.parent.path, this.name)
  }

  get isPinned(): boolean {
    return this.pending > 0 || this.writers > 0 || this.changers > 0 || this.isDirty
  }

  /** Until it is disposed of, no answer of the remote replaces the entry. */
  pin(): Disposable {
    this.changers++
    return {
      [Symbol.dispose]: () => {
        this.changers--
      },
    }
  }

  get isDirectory(): boolean {
    return this.stats?.isDirectory() ?? false
  }

  /** Whether the entry, or anything in it, is pinned. */
  get hasPins(): boolean {
    if (this.isPinned) return true
    for (const child of this.children.values()) if (child.hasPins) return true
    return false
  }

  /** New attributes; the etag is one that only this process has, until the remote gives its own. */
  alter(changes: Partial<StatFields>): void {
    if (this.stats == null) return
    const etag = changes.etag ?? `local-${origin}-${++versions}`
    this.stats = new Stats({ ...this.stats.fields, ctimeMs: Date.now(), ...changes, etag })
  }

  /** Every entry below and this one, parents first. */
  *all(): Generator<Entry> {
    yield this
    for (const child of this.children.values()) yield* child.all()
  }
}

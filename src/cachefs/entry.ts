/**
 * What a CacheFS has cached of one name: inode and directory entry in one, a node of a tree that
 * mirrors the known part of the remote, with local changes applied.
 *
 * Invariants: `stats` is undefined while nothing is known, and null if the name is known to be
 * absent. A pinned entry (being changed, with pending changes, or open for writing) is
 * authoritative: no answer of the remote replaces it. An entry that lost its name remains usable by
 * open files, and is found by nobody else.
 */
import { childOf } from '../filesystem/file-path.ts'
import { Stats } from '../filesystem/stats.ts'
import type { FileKind, StatFields } from '../filesystem/stats.ts'
import type { LocalCopy } from './local/local-copy.ts'

/** Time of something that never happened, or that must not count. */
export const NEVER = -Infinity

/** Makes local etags unique among processes, because the journal passes them to the next one. */
const origin = Math.random().toString(36).slice(2)
let versions = 0

/** One object, so that a size is not taken for that of later content. */
export interface DirtyState {
  /** Id in the journal. */
  readonly id: number
  /** Size at the last close or sync; undefined while the content may be changing. */
  keptBytes: number | undefined
}

export class Entry {
  name: string
  parent: Entry | undefined
  readonly children = new Map<string, Entry>()
  stats: Stats | null | undefined
  /** Kind according to a listing, while nothing else is known. */
  hint: FileKind | undefined
  /** Target of a symbolic link. */
  target = ''
  copy: LocalCopy | undefined
  /** When the remote last confirmed `stats`. */
  validatedMs = NEVER
  /** When the remote last listed the children; for a directory created here, its creation. */
  listedMs = NEVER
  /** Remote version that this one is based on; null: none exists; undefined: unknown. */
  baseEtag: string | null | undefined
  /** Number of pending changes. */
  pending = 0
  /** Number of files that are open for writing. */
  writers = 0
  /** Number of calls that are changing the entry or its name. */
  changers = 0
  /** Content changed since it was last sent to the remote. */
  isDirty = false
  /** The journal's record of the dirty content. */
  dirtyState: DirtyState | undefined
  /** The journal has a line about it. */
  isRecorded = false
  /** Clock of the tree at the last local change: older answers do not apply. */
  touched = 0
  /** Number of content changes, incremented before each. */
  generation = 0
  /** A content change is in progress. */
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

  /** Pins the entry until the result is disposed. */
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

  /** Whether the entry or any entry below it is pinned. */
  get hasPins(): boolean {
    if (this.isPinned) return true
    for (const child of this.children.values()) if (child.hasPins) return true
    return false
  }

  /** Changes attributes; the etag is local to this process until the remote assigns its own. */
  alter(changes: Partial<StatFields>): void {
    if (this.stats == null) return
    const etag = changes.etag ?? `local-${origin}-${++versions}`
    this.stats = new Stats({ ...this.stats.fields, ctimeMs: Date.now(), ...changes, etag })
  }

  /** This entry and all below it, parents first. */
  *all(): Generator<Entry> {
    yield this
    for (const child of this.children.values()) yield* child.all()
  }
}

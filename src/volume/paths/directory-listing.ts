/**
 * Lists a directory: `.`, `..`, and its entries by pages, newest first, until the reply is full.
 * The offset of an entry is its position, which it keeps until it leaves the directory. A listing
 * continues with the next lower position, even if the entry at its offset is gone. Memory: one
 * page, independent of the number of entries.
 */
import { ROOT_INODE, type DirectorySink } from '../../filesystem/inode-file-system.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'
import { S_IFDIR, getInode } from '../../metadata/inode-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { listEntries, listEntriesWithInodes } from '../../metadata/namespace-rules.ts'
import type { LiveAttributes } from './live-attributes.ts'

const DOT = Buffer.from('.')
const DOTDOT = Buffer.from('..')
/** Offsets of `.` and `..`; positions of entries are greater. */
const [AT_DOT, AT_DOTDOT] = [1, 2] as const
/** Position before the newest entry. */
const NEWEST = Number.MAX_SAFE_INTEGER

export class DirectoryListing {
  readonly #engine: MetadataEngine
  readonly #attributes: LiveAttributes

  constructor(engine: MetadataEngine, attributes: LiveAttributes) {
    this.#engine = engine
    this.#attributes = attributes
  }

  /** Adds the entries after position `offset` to `sink`. */
  list(ino: number, offset: number, sink: DirectorySink): void {
    const directory = this.#engine.read(getInode(ino))
    const parent = ino === ROOT_INODE ? ROOT_INODE : directory.parent
    if (offset < AT_DOT && !sink.add(DOT, ino, S_IFDIR, AT_DOT)) return
    if (offset < AT_DOTDOT && !sink.add(DOTDOT, parent, S_IFDIR, AT_DOTDOT)) return
    let before: number | undefined = offset <= AT_DOTDOT ? NEWEST : offset
    while (before !== undefined) before = this.#page(ino, before, sink)
  }

  /** Adds a page of entries; returns the position to continue from, or undefined at the end. */
  #page(ino: number, before: number, sink: DirectorySink): number | undefined {
    const count = sink.plus ? filesystemLimits.directoryPagePlus : filesystemLimits.directoryPage
    let last: number | undefined
    if (sink.plus) {
      const page = this.#attributes.readAll(listEntriesWithInodes(ino, before, count))
      for (const { row, attributes } of page) {
        if (!sink.add(row.name, row.ino, row.type, row.seq, attributes)) return undefined
        last = row.seq
      }
    } else {
      for (const row of this.#engine.read(listEntries(ino, before, count))) {
        if (!sink.add(row.name, row.ino, row.type, row.seq)) return undefined
        last = row.seq
      }
    }
    return last
  }
}

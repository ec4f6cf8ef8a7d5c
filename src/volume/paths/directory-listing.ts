/**
 * Lists a directory: `.`, `..`, and its entries by pages, newest first, as long as the reply has
 * room. The offset that goes with an entry is its place, which it keeps until it leaves the
 * directory; a listing goes on with the next lower place, also where that entry is gone. In memory:
 * one page, however many entries there are.
 */
import { ROOT_INODE, type DirectorySink } from '../../filesystem/inode-file-system.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'
import { S_IFDIR, getInode } from '../../metadata/inode-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { listEntries, listEntriesWithInodes } from '../../metadata/namespace-rules.ts'
import type { LiveAttributes } from './live-attributes.ts'

const DOT = Buffer.from('.')
const DOTDOT = Buffer.from('..')
/** Offsets of these; places of entries are greater. */
const [AT_DOT, AT_DOTDOT] = [1, 2] as const
/** Before the newest entry. */
const NEWEST = Number.MAX_SAFE_INTEGER

export class DirectoryListing {
  readonly #engine: MetadataEngine
  readonly #attributes: LiveAttributes

  constructor(engine: MetadataEngine, attributes: LiveAttributes) {
    this.#engine = engine
    this.#attributes = attributes
  }

  /** What comes after position `offset`. */
  list(ino: number, offset: number, sink: DirectorySink): void {
    const directory = this.#engine.read(getInode(ino))
    const parent = ino === ROOT_INODE ? ROOT_INODE : directory.parent
    if (offset < AT_DOT && !sink.add(DOT, ino, S_IFDIR, AT_DOT)) return
    if (offset < AT_DOTDOT && !sink.add(DOTDOT, parent, S_IFDIR, AT_DOTDOT)) return
    let before: number | undefined = offset <= AT_DOTDOT ? NEWEST : offset
    while (before !== undefined) before = this.#page(ino, before, sink)
  }

  /** Adds a page of entries; the place to go on from, or undefined at the end. */
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

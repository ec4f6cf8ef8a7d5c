/**
 * Where changes made here are entered: into the queue for the remote, superseding what they make
 * needless, and into the journal, where there is one, before they are made.
 */
import type { AttributeChanges } from '../filesystem/file-system.ts'
import type { CacheCounters } from './cache-counters.ts'
import type { Change } from './change.ts'
import type { Entry } from './entry.ts'
import type { EntryTree } from './entry-tree.ts'
import type { ChangeRecord, Journal, JournalLine, QueuedRecord } from './journal.ts'
import type { WriteQueue } from './write-queue.ts'

/** Without its number, unless it was begun in the journal already. */
type New = Change extends infer C
  ? C extends Change
    ? Omit<C, 'id'> & { id?: number }
    : never
  : never

export class ChangeLog {
  readonly #tree: EntryTree
  readonly #queue: WriteQueue
  readonly #counters: CacheCounters
  /** Begun, and not made here yet: the tree is as it was before. */
  readonly #unmade = new Map<number, ChangeRecord>()
  journal: Journal | undefined
  /** The last number given to a change. */
  lastId = 0

  constructor(tree: EntryTree, queue: WriteQueue, counters: CacheCounters) {
    this.#tree = tree
    this.#queue = queue
    this.#counters = counters
  }

  /** Before it is made here, where half of it done would lose something. */
  async begin(change: Omit<ChangeRecord, 'id'>): Promise<number> {
    const id = ++this.lastId
    const begin = { ...change, id }
    this.#unmade.set(id, begin)
    await this.making(id, async () => {
      await this.journal?.add({ begin })
    })
    return id
  }

  /** Makes on the local side what was begun; where that fails, nothing was changed. */
  async making(id: number, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#unmade.delete(id)
      this.journal?.note({ undone: id })
      throw error
    }
  }

  /** Changes of names that are begun or on their way, for a journal that is written anew. */
  lines(): JournalLine[] {
    const changes = this.#queue.changes.filter(({ kind }) => kind !== 'write')
    return [
      ...changes.map((change) => ({ queued: queuedRecordOf(change) })),
      ...[...this.#unmade.values()].map((begin) => ({ begin })),
    ]
  }

  /** Content is about to change that the remote has, or does not know of. */
  async dirty(entry: Entry): Promise<void> {
    const { journal } = this
    if (journal === undefined || entry.dirtyId !== undefined || entry.isDetached) return
    await journal.checkRoom()
    const id = ++this.lastId
    entry.dirtyId = id
    await journal.add({ begin: dirtyRecordOf(entry, id) }).catch((error: unknown) => {
      this.clean(entry)
      throw error
    })
  }

  /** ENOSPC where a change that takes room must not be begun. */
  async checkRoom(): Promise<void> {
    await this.journal?.checkRoom()
  }

  /** Its content is not on its way any more. */
  clean(entry: Entry): void {
    if (entry.dirtyId !== undefined) this.journal?.note({ end: entry.dirtyId })
    entry.dirtyId = undefined
  }

  /** All that was entered so far survives this process. */
  async written(): Promise<void> {
    await this.journal?.flush()
  }

  end(change: Change): void {
    if (this.#unmade.delete(change.id)) this.journal?.note({ made: change.id })
    if (change.kind !== 'write') this.journal?.note({ end: change.id })
    else if (!change.entry.isDirty) this.clean(change.entry)
    this.#restate(change.entry)
    if (change.kind === 'rename') this.#restate(change.left)
  }

  /** What waits to be sent builds on another version of the remote's than was written down. */
  #restate(entry: Entry): void {
    if (entry.dirtyId === undefined || entry.isDetached) return
    this.journal?.note({ begin: dirtyRecordOf(entry, entry.dirtyId) })
  }

  add(change: New): void {
    const { entry } = change
    entry.pending++
    this.#tree.touch(entry)
    if (change.kind === 'rename') {
      change.left.pending++
      this.#tree.touch(change.left)
    }
    const { id = ++this.lastId } = change
    this.#unmade.delete(id)
    const full = { ...change, id }
    if (change.id !== undefined) this.journal?.note({ made: id })
    else if (change.kind !== 'write') this.journal?.note({ begin: recordOf(full) })
    this.#queue.add(full)
  }

  /** What the file holds now goes to the remote, with what is waiting to go already. */
  write(entry: Entry): void {
    if (entry.isDetached) return
    const last = this.#queue.last(entry.path)
    if (last?.kind === 'write' && last.entry === entry) this.#counters.coalesced++
    else this.add({ kind: 'write', path: entry.path, entry })
  }

  attributes(entry: Entry, changes: AttributeChanges): void {
    const last = this.#queue.last(entry.path)
    if (last?.kind === 'attributes' && last.entry === entry) {
      Object.assign(last.changes, changes)
      this.journal?.note({ begin: recordOf(last) })
      this.#counters.coalesced++
    } else this.add({ kind: 'attributes', path: entry.path, entry, changes: { ...changes } })
  }

  /** What waits to be done to the entry at its path is not needed: it goes, or goes elsewhere. */
  supersede(entry: Entry): void {
    for (;;) {
      const last = this.#queue.last(entry.path)
      if (last?.entry !== entry || (last.kind !== 'write' && last.kind !== 'attributes')) return
      this.#queue.drop(last)
      this.#counters.coalesced++
      entry.pending--
      if (last.kind !== 'attributes') continue
      // What is being sent right now has the old ones: it must not pass for all that there is.
      entry.generation++
      this.end(last)
    }
  }

  /** The remote has nothing there, and nothing is on its way to there. */
  isOnlyHere(entry: Entry): boolean {
    return entry.baseEtag === null && !this.#queue.has(entry.path)
  }
}

/** Content that the remote does not have yet. */
export function dirtyRecordOf({ path, stats, baseEtag }: Entry, id: number): ChangeRecord {
  const base = baseEtag === undefined ? {} : { baseEtag }
  return { id, kind: 'write', path, stats: stats?.fields ?? null, ...base }
}

function queuedRecordOf(change: Change): QueuedRecord {
  const record = { ...recordOf(change), at: placeOf(change.entry) }
  if (change.kind !== 'rename') return record
  const { left, isDirectory } = change
  return { ...record, leftAt: placeOf(left), isDirectory }
}

function placeOf(entry: Entry): string | null {
  return entry.isDetached ? null : entry.path
}

function recordOf(change: Change): ChangeRecord {
  const { id, kind, path, entry } = change
  const { stats, target, baseEtag } = entry
  return {
    ...{ id, kind, path, target, stats: stats?.fields ?? null },
    ...(baseEtag === undefined ? {} : { baseEtag }),
    ...(change.kind === 'rename' ? { to: change.to } : {}),
    ...(change.kind === 'attributes' ? { changes: change.changes } : {}),
  }
}

/**
 * Registers local changes: in the queue for the remote, where they supersede earlier changes, and
 * in the journal, if there is one, before they are made.
 */
import type { AttributeChanges } from '../../filesystem/file-system.ts'
import type { CacheCounters } from '../cache-counters.ts'
import type { Change } from './change.ts'
import type { DirtyState, Entry } from '../entry.ts'
import type { EntryTree } from '../entry-tree.ts'
import type { ChangeRecord, Journal, JournalLine, QueuedRecord } from './journal.ts'
import type { WriteQueue } from '../remote/write-queue.ts'

/** A change without id, unless the journal has its `begin` already. */
type New = Change extends infer C
  ? C extends Change
    ? Omit<C, 'id'> & { id?: number }
    : never
  : never

export class ChangeLog {
  readonly #tree: EntryTree
  readonly #queue: WriteQueue
  readonly #counters: CacheCounters
  /** Changes that were begun but not made yet: the tree does not have them. */
  readonly #unmade = new Map<number, ChangeRecord>()
  journal: Journal | undefined
  /** The last id given to a change. */
  lastId = 0

  constructor(tree: EntryTree, queue: WriteQueue, counters: CacheCounters) {
    this.#tree = tree
    this.#queue = queue
    this.#counters = counters
  }

  /** Records a change before it is made, if half of it done would lose something. */
  async begin(change: Omit<ChangeRecord, 'id'>): Promise<number> {
    const id = ++this.lastId
    const begin = { ...change, id }
    this.#unmade.set(id, begin)
    await this.making(id, async () => {
      await this.journal?.add({ begin })
    })
    return id
  }

  /** Makes a change that was begun; if `work` fails, nothing was changed. */
  async making(id: number, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#unmade.delete(id)
      this.journal?.note({ undone: id })
      throw error
    }
  }

  /** Lines of begun and pending changes of names, for a rewritten journal. */
  lines(): JournalLine[] {
    const changes = this.#queue.changes.filter(({ kind }) => kind !== 'write')
    return [
      ...changes.map((change) => ({ queued: queuedRecordOf(change) })),
      ...[...this.#unmade.values()].map((begin) => ({ begin })),
    ]
  }

  /** Records that content is about to change: from now on it may have any size. */
  async dirty(entry: Entry): Promise<void> {
    const { journal } = this
    if (journal === undefined || entry.isDetached) return
    const { dirtyState } = entry
    if (dirtyState !== undefined) {
      await this.#withdrawSize(entry, dirtyState)
      return
    }
    await journal.checkRoom()
    const state = { id: ++this.lastId, keptBytes: undefined }
    entry.dirtyState = state
    await journal.add({ begin: dirtyRecordOf(entry, state) }).catch((error: unknown) => {
      this.clean(entry)
      throw error
    })
  }

  /** Records the size of a file that was closed or synced: fewer bytes are a loss from now on. */
  kept(entry: Entry): void {
    const { dirtyState, copy, isDetached } = entry
    if (dirtyState === undefined || copy === undefined || isDetached) return
    dirtyState.keptBytes = copy.size
    this.journal?.note({ begin: dirtyRecordOf(entry, dirtyState) })
  }

  async #withdrawSize(entry: Entry, state: DirtyState): Promise<void> {
    const { keptBytes } = state
    if (keptBytes === undefined) return
    state.keptBytes = undefined
    await this.journal?.add({ begin: dirtyRecordOf(entry, state) }).catch((error: unknown) => {
      state.keptBytes = keptBytes
      throw error
    })
  }

  /** Throws ENOSPC if the disk has no space for a change that needs some. */
  async checkRoom(): Promise<void> {
    await this.journal?.checkRoom()
  }

  /** Its content is no longer pending. */
  clean(entry: Entry): void {
    if (entry.dirtyState !== undefined) this.journal?.note({ end: entry.dirtyState.id })
    entry.dirtyState = undefined
  }

  /** Resolves when everything registered so far survives the process. */
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

  /** The pending content is now based on another version of the remote than was recorded. */
  #restate(entry: Entry): void {
    const { dirtyState } = entry
    if (dirtyState === undefined || entry.isDetached) return
    this.journal?.note({ begin: dirtyRecordOf(entry, dirtyState) })
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

  /** Queues the current content for the remote; joins a write that is still waiting. */
  write(entry: Entry): void {
    if (entry.isDetached) return
    const last = this.#queue.last(entry.path)
    if (last?.kind === 'write' && last.entry === entry) this.#counters.coalesced++
    else this.add({ kind: 'write', path: entry.path, entry })
  }

  /** Queues content that the remote had, and has lost. */
  async resend(entry: Entry): Promise<void> {
    entry.isDirty = true
    await this.dirty(entry).catch((error: unknown) => {
      entry.isDirty = false
      throw error
    })
    this.kept(entry)
    this.write(entry)
  }

  attributes(entry: Entry, changes: AttributeChanges): void {
    const last = this.#queue.last(entry.path)
    if (last?.kind === 'attributes' && last.entry === entry) {
      Object.assign(last.changes, changes)
      this.journal?.note({ begin: recordOf(last) })
      this.#counters.coalesced++
    } else this.add({ kind: 'attributes', path: entry.path, entry, changes: { ...changes } })
  }

  /** Drops waiting changes of the entry, because it is removed or renamed. */
  supersede(entry: Entry): void {
    for (;;) {
      const last = this.#queue.last(entry.path)
      if (last?.entry !== entry || (last.kind !== 'write' && last.kind !== 'attributes')) return
      this.#queue.drop(last)
      this.#counters.coalesced++
      entry.pending--
      if (last.kind !== 'attributes') continue
      // A write in progress has the old attributes: it must not count as the latest state.
      entry.generation++
      this.end(last)
    }
  }

  /** The remote does not have the entry, and no change is pending at its path. */
  isOnlyHere(entry: Entry): boolean {
    return entry.baseEtag === null && !this.#queue.has(entry.path)
  }
}

/** Record of content that the remote does not have yet. */
export function dirtyRecordOf(entry: Entry, { id, keptBytes }: DirtyState): ChangeRecord {
  const { path, stats, baseEtag } = entry
  const base = baseEtag === undefined ? {} : { baseEtag }
  const kept = keptBytes === undefined ? {} : { keptBytes }
  return { id, kind: 'write', path, stats: stats?.fields ?? null, ...base, ...kept }
}

function queuedRecordOf(change: Change): QueuedRecord {
  const record = { ...recordOf(change), at: pathOf(change.entry) }
  if (change.kind !== 'rename') return record
  const { left, isDirectory } = change
  return { ...record, leftAt: pathOf(left), isDirectory }
}

function pathOf(entry: Entry): string | null {
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

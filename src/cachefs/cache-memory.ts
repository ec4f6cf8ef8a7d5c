/**
 * Interface of the other parts of a CacheFS to its journal: collects changed entries and writes
 * their lines. The state of copies is written with a delay instead of after every block: a crash
 * then costs a fetch, and never causes a wrong result.
 */
import type { FileSystem } from '../filesystem/file-system.ts'
import { SubFS } from '../filesystem/sub-fs.ts'
import { cachefsLimits } from './limits.ts'
import type { CacheLocks } from './cache-locks.ts'
import { dirtyRecordOf } from './journal/change-log.ts'
import type { ChangeLog } from './journal/change-log.ts'
import type { FileKind } from '../filesystem/stats.ts'
import { NEVER } from './entry.ts'
import type { Entry } from './entry.ts'
import type { EntryTree } from './entry-tree.ts'
import { Journal } from './journal/journal.ts'
import type { JournalLine } from './journal/journal.ts'
import { makeLocalDirectory } from './local/local-copies.ts'
import { Recovery } from './journal/recovery.ts'
import type { RecoveryParts } from './journal/recovery.ts'
import { RESERVED } from './remote/remote-view.ts'

export class CacheMemory {
  readonly #tree: EntryTree
  readonly #log: ChangeLog
  readonly #locks: CacheLocks
  readonly #changed = new Set<Entry>()
  #journal: Journal | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(tree: EntryTree, log: ChangeLog, locks: CacheLocks) {
    this.#locks = locks
    this.#tree = tree
    this.#log = log
  }

  async open(place: FileSystem | true, parts: RecoveryParts): Promise<void> {
    const { local } = parts
    if (place === true) await this.#prepare(local)
    const files = place === true ? new SubFS(local, `/${RESERVED}`) : place
    const { journal, lines } = await Journal.open(files)
    this.#journal = journal
    this.#log.journal = journal
    await new Recovery(parts).run(lines)
    journal.snapshot = () => this.#snapshot()
  }

  /** Removes leftovers of staging and sending in an earlier process, which only take up space. */
  async #prepare(local: FileSystem): Promise<void> {
    const folder = `/${RESERVED}`
    await makeLocalDirectory(local, folder)
    for (const name of await local.readdir(folder)) {
      const isOurs = name.startsWith('staged-') || name.startsWith('sending-')
      if (isOurs) await local.rm(`${folder}/${name}`, { force: true })
    }
  }

  /** The entry or its copy has changed: schedules its lines. */
  changed(entry: Entry): void {
    if (this.#journal === undefined) return
    this.#changed.add(entry)
    this.#timer ??= setTimeout(() => {
      this.#flush().catch(() => undefined)
    }, cachefsLimits.cacheJournalMs)
  }

  /** Call before the local content of the entry changes. The caller holds the lock of names. */
  async gone(entry: Entry): Promise<void> {
    if (!entry.isRecorded) return
    await this.#journal?.add({ gone: entry.path })
    entry.isRecorded = false
  }

  /** Resolves when the operating system has all lines so far. */
  async flush(): Promise<void> {
    await this.#flush()
    await this.#journal?.flush()
  }

  /** Resolves when the disk has them. */
  async sync(): Promise<void> {
    await this.#journal?.sync()
  }

  async close(): Promise<void> {
    await this.#flush()
    await this.#journal?.close()
    this.#journal = undefined
    this.#log.journal = undefined
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    // Excludes a rename, during which the path would be wrong.
    using _names = await this.#locks.shareNames()
    for (const entry of this.#changed) {
      const wasRecorded = entry.isRecorded
      const lines = linesOf(entry)
      for (const line of lines) this.#journal?.note(line)
      entry.isRecorded = lines.length > 0 || (wasRecorded && entry.isDirty)
      const isRemoved = wasRecorded && entry.stats == null && !entry.isDetached
      if (isRemoved) this.#journal?.note({ gone: entry.path })
    }
    this.#changed.clear()
  }

  /**
   * All lines of a rewritten journal: the tree, then the changes that are pending or about to be
   * made.
   */
  #snapshot(): JournalLine[] {
    const lines: JournalLine[] = []
    for (const entry of this.#tree.root.all()) {
      const known = linesOf(entry)
      lines.push(...known)
      entry.isRecorded = known.length > 0
      const { dirtyState } = entry
      if (dirtyState !== undefined) lines.push({ begin: dirtyRecordOf(entry, dirtyState) })
    }
    return [...lines, ...this.#log.lines()]
  }
}

/** Lines of an entry that equals the remote's; none if it has local changes. */
function linesOf(entry: Entry): JournalLine[] {
  const own = copyLine(entry) ?? nameLine(entry)
  const listed = listedLine(entry)
  return [own, listed].filter((line) => line !== undefined)
}

function nameLine(entry: Entry): JournalLine | undefined {
  const { path, stats, target, baseEtag = null, isDirty, isDetached } = entry
  if (isDirty || isDetached || stats == null) return undefined
  const validatedMs = knownSince(entry)
  return { name: { path, stats: stats.fields, target, baseEtag, validatedMs } }
}

function knownSince({ validatedMs }: Entry): number | null {
  return validatedMs === NEVER ? null : validatedMs
}

function listedLine({ path, listedMs, children, isDetached }: Entry): JournalLine | undefined {
  if (listedMs === NEVER || isDetached) return undefined
  const names: [string, FileKind][] = []
  for (const { name, stats, hint = 'file' } of children.values()) {
    if (stats !== null) names.push([name, stats?.kind ?? hint])
  }
  return { listed: { path, listedMs, names } }
}

/** Only a version of the remote with an etag can be revalidated later. */
function copyLine(entry: Entry): JournalLine | undefined {
  const { path, stats, baseEtag, copy, isDirty, isDetached } = entry
  const validatedMs = knownSince(entry)
  if (isDirty || isDetached || stats == null || baseEtag == null || copy?.etag === undefined) {
    return undefined
  }
  if (copy.lacksFile) return undefined
  const { etag, blockBytes } = copy
  const present = copy.present === undefined ? null : [...copy.present]
  const fields = { path, stats: stats.fields, baseEtag, etag, validatedMs, present, blockBytes }
  return { copy: fields }
}

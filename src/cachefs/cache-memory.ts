/**
 * The journal of a CacheFS as its other parts see it: they say what has changed, and here it is
 * gathered into lines. What is known of copies is written a moment later and not on every block:
 * a crash then costs a fetch, and never an answer that is wrong.
 */
import type { FileSystem } from '../filesystem/file-system.ts'
import { SubFS } from '../filesystem/sub-fs.ts'
import { limits } from '../limits.ts'
import type { CacheLocks } from './cache-locks.ts'
import { dirtyRecordOf } from './change-log.ts'
import type { ChangeLog } from './change-log.ts'
import type { FileKind } from '../filesystem/stats.ts'
import { NEVER } from './entry.ts'
import type { Entry } from './entry.ts'
import type { EntryTree } from './entry-tree.ts'
import { Journal } from './journal.ts'
import type { JournalLine } from './journal.ts'
import { makeLocalDirectory } from './local-copies.ts'
import { Recovery } from './recovery.ts'
import type { RecoveryParts } from './recovery.ts'
import { RESERVED } from './remote-view.ts'

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

  /** What the last process was in the middle of staging or sending takes room for nothing. */
  async #prepare(local: FileSystem): Promise<void> {
    const folder = `/${RESERVED}`
    await makeLocalDirectory(local, folder)
    for (const name of await local.readdir(folder)) {
      const isOurs = name.startsWith('staged-') || name.startsWith('sending-')
      if (isOurs) await local.rm(`${folder}/${name}`, { force: true })
    }
  }

  /** There is more, or something newer, to be said of its copy. */
  changed(entry: Entry): void {
    if (this.#journal === undefined) return
    this.#changed.add(entry)
    this.#timer ??= setTimeout(() => {
      this.#flush().catch(() => undefined)
    }, limits.cacheJournalMs)
  }

  /** Before what is on the local side becomes something else. The caller holds the names. */
  async gone(entry: Entry): Promise<void> {
    if (!entry.isRecorded) return
    await this.#journal?.add({ gone: entry.path })
    entry.isRecorded = false
  }

  /** All that was said so far is with the machine. */
  async flush(): Promise<void> {
    await this.#flush()
    await this.#journal?.flush()
  }

  /** ... and the disk has it. */
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
    // Not in the middle of a rename: the path would be the wrong one.
    using _names = await this.#locks.shareNames()
    for (const entry of this.#changed) {
      const wasRecorded = entry.isRecorded
      const lines = linesOf(entry)
      for (const line of lines) this.#journal?.note(line)
      entry.isRecorded = lines.length > 0 || (wasRecorded && entry.isDirty)
      const isForgotten = wasRecorded && entry.stats == null && !entry.isDetached
      if (isForgotten) this.#journal?.note({ gone: entry.path })
    }
    this.#changed.clear()
  }

  /** The tree as it is, and then what is on its way: made already, or about to be. */
  #snapshot(): JournalLine[] {
    const lines: JournalLine[] = []
    for (const entry of this.#tree.root.all()) {
      const known = linesOf(entry)
      lines.push(...known)
      entry.isRecorded = known.length > 0
      if (entry.dirtyId !== undefined) lines.push({ begin: dirtyRecordOf(entry, entry.dirtyId) })
    }
    return [...lines, ...this.#log.lines()]
  }
}

/** What there is to say of an entry that the remote has as it is; of any other, nothing. */
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

/** Of what can be believed later: a version of the remote's, with its etag. */
function copyLine(entry: Entry): JournalLine | undefined {
  const { path, stats, baseEtag, copy, isDirty, isDetached } = entry
  const validatedMs = knownSince(entry)
  if (isDirty || isDetached || stats == null || baseEtag == null || copy?.etag === undefined) {
    return undefined
  }
  if (copy.isHomeless) return undefined
  const { etag, blockBytes } = copy
  const present = copy.present === undefined ? null : [...copy.present]
  const fields = { path, stats: stats.fields, baseEtag, etag, validatedMs, present, blockBytes }
  return { copy: fields }
}

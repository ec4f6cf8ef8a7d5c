/**
 * Recovers the state of the last process: applies the lines of the journal to the tree, checks the
 * result against the local side, and queues again what had not reached the remote: first the
 * changes of names in their order, then the content of each changed file, at its current path.
 */
import { codeOf } from '../../base/fs-error.ts'
import { namesOf, parentOf } from '../../filesystem/file-path.ts'
import type { FileSystem } from '../../filesystem/file-system.ts'
import { Stats } from '../../filesystem/stats.ts'
import type { ChangeLog } from './change-log.ts'
import type { Change } from './change.ts'
import { Entry, NEVER } from '../entry.ts'
import type { EntryTree } from '../entry-tree.ts'
import type {
  ChangeRecord,
  CopyRecord,
  JournalLine,
  ListedRecord,
  NameRecord,
  QueuedRecord,
} from './journal.ts'
import { makeLocalDirectory } from '../local/local-copies.ts'
import type { LocalCopies } from '../local/local-copies.ts'
import { LocalCopy } from '../local/local-copy.ts'

export interface RecoveryParts {
  local: FileSystem
  tree: EntryTree
  copies: LocalCopies
  log: ChangeLog
  blockBytes: number
  now: () => number
}

export class Recovery {
  readonly #parts: RecoveryParts
  readonly #pending = new Map<number, Change>()
  /** Changed files by the id of the change. */
  readonly #dirty = new Map<number, Entry>()
  readonly #copies = new Map<Entry, LocalCopy>()
  /** Changes that may be partly made. */
  readonly #unmade = new Map<number, ChangeRecord>()

  constructor(parts: RecoveryParts) {
    this.#parts = parts
  }

  async run(lines: readonly JournalLine[]): Promise<void> {
    for (const line of lines) this.#apply(line)
    for (const record of this.#unmade.values()) {
      this.#made(record.id)
      await this.#complete(record)
    }
    for (const [entry, copy] of this.#copies) await this.#checkCopy(entry, copy)
    for (const entry of this.#dirty.values()) await this.#checkDirty(entry)
    const { log } = this.#parts
    // The journal has the ids already; the queue gets the changes in their order.
    const changes = [...this.#pending.values()].sort((a, b) => a.id - b.id)
    for (const change of changes) log.add(change)
    for (const entry of this.#dirty.values()) if (entry.isDirty) log.write(entry)
  }

  #apply(line: JournalLine): void {
    if ('copy' in line) this.#copy(line.copy)
    else if ('name' in line) this.#name(line.name)
    else if ('listed' in line) this.#listed(line.listed)
    else if ('gone' in line) this.#invalidate(this.#parts.tree.find(line.gone))
    else if ('made' in line) this.#made(line.made)
    else if ('end' in line) this.#end(line.end)
    else if ('queued' in line) this.#queued(line.queued)
    else if ('begin' in line) this.#begin(line.begin)
    else this.#unmade.delete(line.undone)
  }

  #copy({ path, stats, baseEtag, etag, validatedMs, present, blockBytes }: CopyRecord): void {
    const entry = this.#known(path, stats)
    entry.baseEtag = baseEtag
    entry.validatedMs = validatedMs ?? NEVER
    const copy = new LocalCopy(entry, stats.size ?? 0, blockBytes, etag)
    copy.present = present === null ? undefined : new Set(present)
    this.#copies.set(entry, copy)
  }

  #name({ path, stats, target, baseEtag, validatedMs }: NameRecord): void {
    const entry = this.#known(path, stats)
    entry.target = target
    entry.baseEtag = baseEtag
    entry.validatedMs = validatedMs ?? NEVER
    if (validatedMs === null) entry.listedMs = NEVER
    this.#copies.delete(entry)
  }

  #known(path: string, stats: NameRecord['stats']): Entry {
    const entry = this.#entry(path)
    if (stats.kind !== 'directory') {
      for (const child of [...entry.children.values()]) this.#parts.tree.detach(child)
      entry.listedMs = NEVER
    }
    entry.stats = new Stats(stats)
    entry.isRecorded = true
    return entry
  }

  /** Applies a complete listing; entries with pending changes stay as they are. */
  #listed({ path, listedMs, names }: ListedRecord): void {
    const { tree } = this.#parts
    const directory = this.#entry(path)
    const pending = new Set<Entry | undefined>()
    for (const change of this.#pending.values()) {
      pending.add(change.entry)
      if (change.kind === 'rename') pending.add(change.left)
    }
    const kinds = new Map(names)
    for (const child of directory.children.values()) {
      if (kinds.has(child.name) || child.isDirty || pending.has(child)) continue
      this.#invalidate(child)
      child.stats = null
      child.validatedMs = listedMs
    }
    for (const [name, kind] of kinds) {
      const child = tree.child(directory, name)
      if (pending.has(child) || child.isDirty) continue
      child.hint = kind
      if (child.stats === null) child.stats = undefined
    }
    directory.listedMs = listedMs
  }

  /** What was recorded about it is outdated. */
  #invalidate(entry: Entry | undefined): void {
    if (entry === undefined || entry.isDirty) return
    this.#copies.delete(entry)
    if (entry.parent !== undefined) entry.stats = undefined
    entry.validatedMs = NEVER
    entry.listedMs = NEVER
  }

  #begin(record: ChangeRecord): void {
    const { id, kind, path } = record
    this.#number(id)
    const known = this.#pending.get(id)
    if (known?.kind === 'attributes') {
      Object.assign(known, { changes: record.changes })
      return
    }
    switch (kind) {
      case 'write': {
        const entry = this.#entry(path)
        if (record.stats != null) entry.stats = new Stats(record.stats)
        entry.stats ??= new Stats({ kind: 'file' })
        entry.baseEtag = record.baseEtag
        entry.dirtyState = { id, keptBytes: record.keptBytes }
        entry.isDirty = true
        this.#copies.delete(entry)
        this.#dirty.set(id, entry)
        return
      }
      case 'rename':
      case 'unlink':
        // Lines before its `made` line refer to the names before the change.
        this.#unmade.set(id, record)
        return
      case 'rmdir':
        this.#remove(record)
        return
      default:
        this.#make(record)
    }
  }

  #made(id: number): void {
    const record = this.#unmade.get(id)
    this.#unmade.delete(id)
    if (record?.kind === 'rename') this.#rename(record)
    else if (record !== undefined) this.#remove(record)
  }

  #make(record: ChangeRecord): void {
    const { id, kind, path } = record
    const entry = this.#entry(path)
    if (record.stats != null) entry.stats = new Stats(record.stats)
    entry.target = record.target ?? ''
    entry.baseEtag = record.baseEtag
    if (kind === 'mkdir') entry.listedMs = this.#parts.now()
    const changes = record.changes ?? {}
    this.#pending.set(id, { kind, path, entry, id, changes } as Change)
  }

  #remove({ id, kind, path, baseEtag }: ChangeRecord): void {
    const { tree } = this.#parts
    const before = this.#entry(path)
    for (const each of before.all()) this.#lose(each)
    tree.detach(before)
    const entry = this.#absent(path)
    entry.baseEtag = before.baseEtag ?? baseEtag
    this.#pending.set(id, { kind, path, entry, id } as Change)
  }

  #rename(record: ChangeRecord): void {
    const { tree } = this.#parts
    const { id, path, to = path } = record
    const [entry, target] = [this.#entry(path), this.#entry(to)]
    const { parent } = target
    if (parent === undefined || entry === target) return
    for (const each of target.all()) this.#lose(each)
    tree.detach(target)
    tree.move(entry, parent, target.name)
    const left = this.#absent(path)
    const isDirectory = entry.children.size > 0 || entry.isDirectory
    const change = { kind: 'rename', path, to, entry, left, isDirectory, id }
    this.#pending.set(id, change as Change)
  }

  /** A change that was made before; the recorded tree includes it already. */
  #queued({ id, kind, path, to, target, at, leftAt, isDirectory, ...record }: QueuedRecord): void {
    this.#number(id)
    const { baseEtag, changes = {} } = record
    const isGone = kind === 'unlink' || kind === 'rmdir'
    const entry = isGone ? this.#gone(at, baseEtag) : this.#placed(at)
    if (kind === 'symlink') entry.target = target ?? ''
    const rename = leftAt === undefined ? {} : { to, isDirectory, left: this.#gone(leftAt) }
    this.#pending.set(id, { kind, path, entry, id, changes, ...rename } as Change)
  }

  #placed(at: string | null): Entry {
    if (at !== null) return this.#entry(at)
    const lost = new Entry('', undefined)
    lost.isDetached = true
    return lost
  }

  /** Entry that records the absence of a removed name, unless the name is in use again. */
  #gone(at: string | null, baseEtag?: string | null): Entry {
    const entry = this.#placed(at)
    if (entry.stats !== undefined) return entry
    if (at !== null) this.#absent(at)
    entry.baseEtag = baseEtag
    return entry
  }

  /** Continues the numbering: an id is used once per journal. */
  #number(id: number): void {
    this.#parts.log.lastId = Math.max(this.#parts.log.lastId, id)
  }

  #end(id: number): void {
    const entry = this.#dirty.get(id)
    if (entry?.dirtyState?.id === id) {
      entry.isDirty = false
      entry.dirtyState = undefined
      this.#invalidate(entry)
    }
    const change = this.#pending.get(id)
    const made = change?.entry
    if (made !== undefined && made.stats !== null) {
      // Others may have changed it since the remote received it.
      made.validatedMs = NEVER
      made.listedMs = NEVER
    }
    const gone = change?.kind === 'rename' ? change.left : made
    if (gone?.stats === null) gone.baseEtag = null
    this.#dirty.delete(id)
    this.#pending.delete(id)
  }

  /** The entry has lost its name: its content is not needed. */
  #lose(entry: Entry): void {
    this.#copies.delete(entry)
    entry.isDirty = false
    if (entry.dirtyState !== undefined) this.#dirty.delete(entry.dirtyState.id)
  }

  #entry(path: string): Entry {
    const { tree } = this.#parts
    let entry = tree.root
    for (const name of namesOf(path)) entry = tree.child(entry, name)
    return entry
  }

  #absent(path: string): Entry {
    const entry = this.#entry(path)
    entry.stats = null
    entry.validatedMs = this.#parts.now()
    return entry
  }

  /** Completes a change: the process ended after writing its line. */
  async #complete({ kind, path, to = path }: ChangeRecord): Promise<void> {
    const { local } = this.#parts
    if (kind === 'unlink') {
      await local.rm(path, { force: true })
      return
    }
    if ((await this.#look(path)) === undefined) return
    await local.rm(to, { recursive: true, force: true })
    await makeLocalDirectory(local, parentOf(to))
    await local.rename(path, to)
  }

  async #checkCopy(entry: Entry, copy: LocalCopy): Promise<void> {
    if (entry.isDetached || entry.isDirty) return
    const stats = await this.#look(entry.path)
    const isGood = stats?.isFile() === true && stats.size === copy.size
    if (!isGood) {
      this.#invalidate(entry)
      return
    }
    entry.isRecorded = true
    this.#parts.copies.adopt(entry, copy)
  }

  /** The content of the local file is what was written, whether it was closed or not. */
  async #checkDirty(entry: Entry): Promise<void> {
    const { copies, blockBytes } = this.#parts
    const { keptBytes = 0 } = entry.dirtyState ?? {}
    const stats = await this.#look(entry.path)
    const isFile = stats?.isFile() === true
    if (keptBytes > 0 && (!isFile || stats.size < keptBytes)) {
      // Whoever reads or sends it is told what is missing.
      entry.alter({ size: keptBytes })
      copies.adopt(entry, new LocalCopy(entry, keptBytes, blockBytes))
      return
    }
    if (!isFile) {
      entry.isDirty = false
      entry.stats = undefined
      this.#parts.log.clean(entry)
      return
    }
    const { size, mtimeMs } = stats
    entry.alter({ size, mtimeMs })
    copies.adopt(entry, new LocalCopy(entry, size, blockBytes))
  }

  async #look(path: string): Promise<Stats | undefined> {
    return await this.#parts.local.lstat(path).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
      throw error
    })
  }
}

/**
 * What the remote has, as far as it has to be known: names, attributes, listings. Asks the remote
 * where an entry is unknown or too old, and lets what is still valid, or may be served stale, pass.
 *
 * Invariants: one question about a path at a time, however many want to know; an answer never
 * replaces what was changed here after the question was asked, nor what is pinned; the remote is
 * not asked about a path while a change that the path depends on is on its way.
 */
import { codeOf } from '../base/fs-error.ts'
import { SingleFlight } from '../base/single-flight.ts'
import { failure } from '../filesystem/failure.ts'
import { childOf, parentOf } from '../filesystem/file-path.ts'
import type { CallOptions, FileSystem } from '../filesystem/file-system.ts'
import { Stats } from '../filesystem/stats.ts'
import type { Dirent } from '../filesystem/stats.ts'
import type { CacheCounters } from './cache-counters.ts'
import type { CacheSettings } from './cache-options.ts'
import { NEVER } from './entry.ts'
import type { Entry } from './entry.ts'
import type { EntryTree } from './entry-tree.ts'
import type { LocalCopies } from './local-copies.ts'
import type { WriteQueue } from './write-queue.ts'

export interface RemoteViewParts {
  remote: FileSystem
  tree: EntryTree
  copies: LocalCopies
  queue: WriteQueue
  counters: CacheCounters
  settings: CacheSettings
  /** What is known of the entry has changed: for the journal. */
  onChange: (entry: Entry) => void
}

interface Answer {
  stats: Stats | null
  target: string
  /** Clock of the tree when it was asked. */
  since: number
}

/** In the root of the local side, for our own; the remote's is not shown. */
export const RESERVED = '.cachefs'

export class RemoteView {
  readonly #parts: RemoteViewParts
  readonly #questions = new SingleFlight<string, void>()
  readonly #listings = new SingleFlight<string, void>()

  constructor(parts: RemoteViewParts) {
    this.#parts = parts
  }

  /** What has that name in the directory; `stats` is null where nothing has. */
  async child(directory: Entry, name: string, options: CallOptions): Promise<Entry> {
    const { tree, counters } = this.#parts
    const entry = directory.children.get(name)
    const isKnown = entry?.stats !== undefined
    if (entry !== undefined && isKnown && this.isFresh(entry)) {
      counters.hits++
      return entry
    }
    const { now, negativeTtlMs } = this.#parts.settings
    const isHidden = name === RESERVED && directory.parent === undefined
    if (isHidden || (entry === undefined && this.isListed(directory))) {
      counters.hits++
      return this.#absent(directory, name, now())
    }
    const path = childOf(directory.path, name)
    if (entry !== undefined && isKnown) {
      await this.#renew(entry, () => this.#ask(directory, name, path, options))
    } else {
      counters.misses++
      try {
        await this.#ask(directory, name, path, options)
      } catch (error) {
        if (entry !== undefined || !this.#servesStale(directory, error)) throw error
        // Not on the old list: there is none, as far as anybody can tell, until somebody can.
        counters.stale++
        return this.#absent(directory, name, now() - negativeTtlMs)
      }
    }
    return directory.children.get(name) ?? tree.child(directory, name)
  }

  #absent(directory: Entry, name: string, validatedMs: number): Entry {
    const absent = this.#parts.tree.child(directory, name)
    if (absent.stats !== undefined) return absent
    absent.stats = null
    absent.baseEtag = null
    absent.validatedMs = validatedMs
    return absent
  }

  /** What a directory was said to have counts though the remote cannot be asked. */
  #servesStale({ listedMs }: Entry, error: unknown): boolean {
    const { ttlMs, staleIfErrorMs } = this.#parts.settings
    const isAnswer = codeOf(error) === 'ECANCELED' || listedMs === NEVER
    return !isAnswer && this.#ageMs(listedMs) - ttlMs < staleIfErrorMs
  }

  /** Its children are known. */
  async list(directory: Entry, options: CallOptions): Promise<void> {
    if (this.isListed(directory)) {
      this.#parts.counters.hits++
      return
    }
    const { path } = directory
    const ask = (): Promise<void> => {
      return this.#listings.run(path, (signal) => this.#list(directory, signal), options)
    }
    if (directory.listedMs === NEVER) {
      this.#parts.counters.misses++
      await ask()
    } else await this.#renew(directory, ask, directory.listedMs)
  }

  isFresh(entry: Entry): boolean {
    if (entry.isPinned) return true
    const { ttlMs, negativeTtlMs } = this.#parts.settings
    return this.#ageMs(entry.validatedMs) < (entry.stats === null ? negativeTtlMs : ttlMs)
  }

  isListed(directory: Entry): boolean {
    if (directory.listedMs === NEVER) return false
    return directory.isPinned || this.#ageMs(directory.listedMs) < this.#parts.settings.ttlMs
  }

  /** What is known came from the remote just now, or from a change that it has taken. */
  set(entry: Entry, stats: Stats | null, target = ''): void {
    const { copies, settings, onChange } = this.#parts
    const before = entry.stats
    const isSame = before != null && stats !== null && isSameVersion(entry, before, stats)
    if (before !== undefined && isSame) this.#parts.counters.unchanged++
    if (!isSame) {
      copies.release(entry)
      for (const child of [...entry.children.values()]) this.#drop(child)
      entry.listedMs = NEVER
    }
    // What was written here keeps the etag that it was given here.
    entry.stats = isSame ? new Stats({ ...stats.fields, etag: before.etag }) : stats
    entry.target = target
    entry.baseEtag = stats?.etag ?? null
    entry.validatedMs = settings.now()
    onChange(entry)
  }

  #ageMs(sinceMs: number): number {
    return this.#parts.settings.now() - sinceMs
  }

  /** Too old: asks again, or lets it pass as the options for stale answers have it. */
  async #renew(entry: Entry, ask: () => Promise<void>, sinceMs = entry.validatedMs): Promise<void> {
    const { settings, counters } = this.#parts
    const limitMs = entry.stats === null ? settings.negativeTtlMs : settings.ttlMs
    const overdueMs = this.#ageMs(sinceMs) - limitMs
    counters.revalidations++
    if (overdueMs < settings.staleWhileRevalidateMs) {
      counters.stale++
      ask().catch(() => undefined)
      return
    }
    try {
      await ask()
    } catch (error) {
      const isAnswer = codeOf(error) === 'ECANCELED'
      if (isAnswer || overdueMs >= settings.staleIfErrorMs) throw error
      counters.stale++
    }
  }

  async #ask(directory: Entry, name: string, path: string, options: CallOptions): Promise<void> {
    await this.#questions.run(
      path,
      async (signal) => {
        const answer = await this.#question(path, signal)
        if (directory.isDetached || directory.path !== parentOf(path)) return
        const entry = this.#parts.tree.child(directory, name)
        this.#apply(entry, answer)
      },
      options,
    )
  }

  async #question(path: string, signal: AbortSignal): Promise<Answer> {
    const { remote, tree } = this.#parts
    await this.settled(path, { signal })
    const since = tree.clock
    try {
      const stats = await remote.lstat(path, { signal })
      const target = stats.isSymbolicLink() ? await remote.readlink(path, { signal }) : ''
      return { stats, target, since }
    } catch (error) {
      const code = codeOf(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return { stats: null, target: '', since }
      throw error
    }
  }

  #apply(entry: Entry, { stats, target, since }: Answer): void {
    if (entry.isPinned || entry.touched > since) return
    // Something below is from here, and makes its directories again where they are gone.
    if (!stats?.isDirectory() && entry.hasPins) return
    this.set(entry, stats, target)
  }

  async #list(directory: Entry, signal: AbortSignal): Promise<void> {
    const { remote, tree, settings, onChange } = this.#parts
    const { path } = directory
    await this.settled(path, { signal })
    const since = tree.clock
    const found = new Map<string, Dirent>()
    for await (const entry of remote.list(path, { signal })) found.set(entry.name, entry)
    if (path === '/') found.delete(RESERVED)
    if (directory.isDetached || directory.path !== path || directory.touched > since) return
    for (const child of [...directory.children.values()]) {
      if (!found.has(child.name)) this.#apply(child, { stats: null, target: '', since })
    }
    for (const { name, kind, stats } of found.values()) {
      const child = tree.child(directory, name)
      if (child.isPinned || child.touched > since) continue
      child.hint = kind
      const isLink = kind === 'symlink'
      if (stats !== undefined && !isLink) this.#apply(child, { stats, target: '', since })
      else if (child.stats === null || (child.stats && child.stats.kind !== kind)) {
        child.stats = undefined
        child.validatedMs = NEVER
      }
    }
    directory.listedMs = settings.now()
    onChange(directory)
  }

  /** Waits until changes that the path depends on have reached the remote. */
  async settled(path: string, options: CallOptions): Promise<void> {
    if (await this.#parts.queue.settled(path, options)) return
    const text = 'changes that it depends on have not reached the remote yet'
    throw failure('EIO', 'lstat', path, { text })
  }

  /** It and everything below are not what the remote has. What is pinned stays. */
  #drop(entry: Entry): void {
    if (entry.hasPins) return
    for (const each of [...entry.all()]) this.#parts.copies.release(each)
    this.#parts.tree.detach(entry)
  }
}

function isSameVersion(entry: Entry, before: Stats, after: Stats): boolean {
  if (before.kind !== after.kind) return false
  return before.isDirectory() || entry.baseEtag === after.etag
}

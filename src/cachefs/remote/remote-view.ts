/**
 * The cached view of the remote: names, attributes, listings. Sends a request if an entry is
 * unknown or expired, and serves entries that are valid or may be served stale.
 *
 * Invariants: at most one request per path is in progress, however many callers wait. An answer
 * never replaces a local change made after the request started, nor a pinned entry. No request is
 * sent about a path while a change that the path depends on is pending.
 */
import { codeOf } from '../../base/fs-error.ts'
import { SingleFlight } from '../../base/async/single-flight.ts'
import { failure } from '../../filesystem/failure.ts'
import { childOf, parentOf } from '../../filesystem/file-path.ts'
import type { CallOptions, FileSystem } from '../../filesystem/file-system.ts'
import { Stats } from '../../filesystem/stats.ts'
import type { Dirent } from '../../filesystem/stats.ts'
import type { CacheCounters } from '../cache-counters.ts'
import type { CacheSettings } from '../cache-options.ts'
import { NEVER } from '../entry.ts'
import type { Entry } from '../entry.ts'
import type { EntryTree } from '../entry-tree.ts'
import type { LocalCopies } from '../local/local-copies.ts'
import type { WriteQueue } from './write-queue.ts'

export interface RemoteViewParts {
  remote: FileSystem
  tree: EntryTree
  copies: LocalCopies
  queue: WriteQueue
  counters: CacheCounters
  settings: CacheSettings
  /** Called after what is cached of the entry has changed; for the journal. */
  onChange: (entry: Entry) => void
}

interface Answer {
  stats: Stats | null
  target: string
  /** Clock of the tree when the request started. */
  since: number
}

/** Directory in the root of the local side for the cache's own files; hidden in the remote. */
export const RESERVED = '.cachefs'

export class RemoteView {
  readonly #parts: RemoteViewParts
  readonly #questions = new SingleFlight<string, void>()
  readonly #listings = new SingleFlight<string, void>()

  constructor(parts: RemoteViewParts) {
    this.#parts = parts
  }

  /** The entry of that name in the directory; its `stats` is null if the name does not exist. */
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
        // An old listing lacks the name: it counts as absent until the remote is reachable.
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

  /** Whether an expired listing may be used because the remote is unreachable. */
  #servesStale({ listedMs }: Entry, error: unknown): boolean {
    const { ttlMs, staleIfErrorMs } = this.#parts.settings
    const isAnswer = codeOf(error) === 'ECANCELED' || listedMs === NEVER
    return !isAnswer && this.#ageMs(listedMs) - ttlMs < staleIfErrorMs
  }

  /** Makes sure that the children of the directory are known. */
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

  /** Applies attributes that the remote just reported, or that it just accepted. */
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
    // Locally written content keeps its local etag.
    entry.stats = isSame ? new Stats({ ...stats.fields, etag: before.etag }) : stats
    entry.target = target
    entry.baseEtag = stats?.etag ?? null
    entry.validatedMs = settings.now()
    onChange(entry)
  }

  #ageMs(sinceMs: number): number {
    return this.#parts.settings.now() - sinceMs
  }

  /** Revalidates an expired entry, or serves it stale as the options allow. */
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
    // An entry below is new here; sending it creates its directories again.
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

  /** Waits until the changes that the path depends on have reached the remote. */
  async settled(path: string, options: CallOptions): Promise<void> {
    if (await this.#parts.queue.settled(path, options)) return
    const text = 'changes that it depends on have not reached the remote yet'
    throw failure('EIO', 'lstat', path, { text })
  }

  /** Removes an entry and those below it, which the remote does not have; pinned ones stay. */
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

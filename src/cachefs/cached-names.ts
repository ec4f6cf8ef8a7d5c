/**
 * Resolves, creates, removes and renames names in the cache: on the local side at once, at the
 * remote through the queue.
 *
 * Invariants: a decision based on an observation is repeated under the locks if that has changed. A
 * removed name leaves an entry that records its absence until the remote has removed it too.
 */
import { codeOf } from '../base/fs-error.ts'
import type { FsErrorCode } from '../base/fs-error.ts'
import { failure } from '../filesystem/failure.ts'
import { nameOf, parentOf } from '../filesystem/file-path.ts'
import type { AttributeChanges, CallOptions, FileSystem } from '../filesystem/file-system.ts'
import { PathWalk } from '../filesystem/real-path.ts'
import { Stats } from '../filesystem/stats.ts'
import { cachefsLimits } from './limits.ts'
import type { CacheLocks } from './cache-locks.ts'
import type { ChangeLog } from './journal/change-log.ts'
import { NEVER } from './entry.ts'
import type { Entry } from './entry.ts'
import type { EntryTree } from './entry-tree.ts'
import { makeLocalDirectory } from './local/local-copies.ts'
import type { LocalCopies } from './local/local-copies.ts'
import type { RemoteView } from './remote/remote-view.ts'
import type { WriteQueue } from './remote/write-queue.ts'

export interface CachedNamesParts {
  local: FileSystem
  remote: FileSystem
  tree: EntryTree
  view: RemoteView
  copies: LocalCopies
  locks: CacheLocks
  queue: WriteQueue
  log: ChangeLog
  now: () => number
}

/** Result of resolving a path; `stats` of the entry is null if the name does not exist. */
export interface Place {
  directory: Entry
  name: string
  entry: Entry
}

export interface Resolving extends CallOptions {
  follow?: boolean
  /** If the remote is unreachable, treat an unknown name as absent instead of failing. */
  offline?: boolean
}

/** With these codes the remote is reachable and has rejected the request. */
const REJECTIONS = new Set<FsErrorCode>([
  'ENOENT',
  'ENOTDIR',
  'ECANCELED',
  'EACCES',
  'EPERM',
  'ELOOP',
])
const UMASK = 0o022

export class CachedNames {
  readonly #parts: CachedNamesParts

  constructor(parts: CachedNamesParts) {
    this.#parts = parts
  }

  async resolve(path: string, options: Resolving): Promise<Place> {
    const { tree } = this.#parts
    const walk = new PathWalk(path)
    let place: Place = { directory: tree.root, name: '', entry: tree.root }
    for (let at = walk.next(); at !== undefined; at = walk.next()) {
      const directory = tree.find(parentOf(at))
      if (directory === undefined) throw failure('ENOENT', 'lookup', path)
      const entry = await this.#child(directory, nameOf(at), options)
      place = { directory, name: entry.name, entry }
      const { stats } = entry
      if (stats == null) {
        if (walk.isLast) return place
        throw failure('ENOENT', 'lookup', path)
      }
      const follows = options.follow === true || !walk.isLast
      if (stats.isSymbolicLink() && follows) walk.follow(entry.target)
      else if (!walk.isLast && !stats.isDirectory()) throw failure('ENOTDIR', 'lookup', path)
    }
    if (walk.path === place.entry.path) return place
    const entry = tree.find(walk.path) ?? tree.root
    return { directory: entry.parent ?? entry, name: entry.name, entry }
  }

  async #child(directory: Entry, name: string, options: Resolving): Promise<Entry> {
    const { view, tree } = this.#parts
    for (let round = 0; round < cachefsLimits.cacheRounds; round++) {
      try {
        const entry = await view.child(directory, name, options)
        if (entry.stats !== undefined) return entry
      } catch (error) {
        const known = directory.children.get(name)
        if (options.offline !== true || REJECTIONS.has(codeOf(error))) throw error
        if (known?.stats != null) return known
        const unknown = tree.child(directory, name)
        unknown.stats = null
        unknown.validatedMs = NEVER
        return unknown
      }
    }
    throw failure('EBUSY', 'lookup', directory.path)
  }

  /** The entry at the path; ENOENT if there is none. */
  async find(path: string, options: Resolving): Promise<Entry & { stats: Stats }> {
    const { entry } = await this.resolve(path, options)
    if (entry.stats == null) throw failure('ENOENT', 'lookup', path)
    return entry as Entry & { stats: Stats }
  }

  /** Runs `work` with names and directory locked and the place unchanged since it was resolved. */
  async inDirectory<T>(
    path: string,
    options: Resolving,
    work: (place: Place) => Promise<T>,
  ): Promise<T> {
    const { queue, locks } = this.#parts
    await queue.room(options)
    for (let round = 0; round < cachefsLimits.cacheRounds; round++) {
      const place = await this.resolve(path, options)
      using _names = await locks.shareNames(options)
      using _directory = await locks.entry(place.directory, options)
      if (!isCurrent(place)) continue
      using _pin = place.entry.pin()
      return await work(place)
    }
    throw failure('EBUSY', 'lookup', path)
  }

  async makeDirectory(path: string, mode: number, options: CallOptions): Promise<void> {
    const { local, locks, log, now } = this.#parts
    await this.inDirectory(path, options, async ({ entry }) => {
      if (entry.stats !== null) throw failure('EEXIST', 'mkdir', path)
      const place = entry.path
      using _path = await locks.localPath(place)
      await log.checkRoom()
      await local.rm(place, { recursive: true, force: true }).catch(ignoreMissing)
      await makeLocalDirectory(local, place)
      entry.stats = new Stats({ kind: 'directory', mode: mode & ~UMASK, mtimeMs: now() })
      entry.listedMs = now()
      this.touchParent(entry)
      log.add({ kind: 'mkdir', path: place, entry })
      await log.written()
    })
  }

  async makeLink(target: string, path: string, options: CallOptions): Promise<void> {
    const { local, locks, log, now } = this.#parts
    await this.inDirectory(path, options, async ({ entry, directory }) => {
      if (entry.stats !== null) throw failure('EEXIST', 'symlink', path)
      const place = entry.path
      using _path = await locks.localPath(place)
      await log.checkRoom()
      if (local.features.symlinks) {
        await makeLocalDirectory(local, directory.path)
        await local.rm(place, { recursive: true, force: true })
        await local.symlink(target, place)
      }
      entry.stats = new Stats({ kind: 'symlink', size: target.length, mtimeMs: now() })
      entry.target = target
      this.touchParent(entry)
      log.add({ kind: 'symlink', path: place, entry })
      await log.written()
    })
  }

  async removeFile(path: string, options: CallOptions): Promise<void> {
    const { local, locks, log, copies } = this.#parts
    await this.inDirectory(path, options, async ({ entry }) => {
      if (entry.stats == null) throw failure('ENOENT', 'unlink', path)
      if (entry.isDirectory) throw failure('EISDIR', 'unlink', path)
      using _entry = await locks.entry(entry)
      const place = entry.path
      using _path = await locks.localPath(place)
      const id = await log.begin({ kind: 'unlink', path: place })
      await log.making(id, () => local.unlink(place).catch(ignoreMissing))
      log.supersede(entry)
      log.clean(entry)
      copies.abandon(entry)
      const isOnlyHere = log.isOnlyHere(entry)
      const gone = this.#vacate(entry)
      const change = { kind: 'unlink' as const, path: place, entry: gone, id }
      if (isOnlyHere) log.end(change)
      else log.add(change)
    })
  }

  async removeDirectory(path: string, options: CallOptions): Promise<void> {
    const { local, view, log, locks } = this.#parts
    for (let round = 0; round < cachefsLimits.cacheRounds; round++) {
      const found = await this.find(path, options)
      if (found.isDirectory) await view.list(found, options)
      const isDone = await this.inDirectory(path, options, async ({ entry }) => {
        if (entry.stats == null) throw failure('ENOENT', 'rmdir', path)
        if (!entry.isDirectory) throw failure('ENOTDIR', 'rmdir', path)
        using _entry = await locks.entry(entry)
        if (entry !== found || entry.listedMs === NEVER) return false
        if (hasChildren(entry)) throw failure('ENOTEMPTY', 'rmdir', path)
        const place = entry.path
        await local.rm(place, { recursive: true, force: true }).catch(ignoreMissing)
        log.add({ kind: 'rmdir', path: place, entry: this.#vacate(entry) })
        await log.written()
        return true
      })
      if (isDone) return
    }
    throw failure('EBUSY', 'rmdir', path)
  }

  async move(from: string, to: string, options: CallOptions): Promise<void> {
    const { queue, locks, view } = this.#parts
    await queue.room(options)
    for (let round = 0; round < cachefsLimits.cacheRounds; round++) {
      const source = await this.resolve(from, options)
      const target = await this.resolve(to, options)
      if (source.entry.stats == null) throw failure('ENOENT', 'rename', from, { dest: to })
      if (source.entry === target.entry) return
      checkReplaced(source.entry, target.entry, from, to)
      if (target.entry.isDirectory) await view.list(target.entry, options)
      using _names = await locks.ownNames(options)
      const isListed = !target.entry.isDirectory || target.entry.listedMs !== NEVER
      if (!isCurrent(source) || !isCurrent(target) || !isListed) continue
      if (hasChildren(target.entry)) throw failure('ENOTEMPTY', 'rename', from, { dest: to })
      await this.#move(source.entry, target)
      return
    }
    throw failure('EBUSY', 'rename', from, { dest: to })
  }

  /** The caller holds the lock of names exclusively. */
  async #move(entry: Entry, target: Place): Promise<void> {
    const { tree, log, copies, local, now } = this.#parts
    const [path, to] = [entry.path, target.entry.path]
    using _source = entry.pin()
    using _target = target.entry.pin()
    const id = await log.begin({ kind: 'rename', path, to, baseEtag: entry.baseEtag ?? null })
    await log.making(id, async () => {
      await makeLocalDirectory(local, parentOf(to))
      // Only after a failure other than ENOSPC: on a full disk the target's content would be lost.
      await local.rename(path, to).catch(async (error: unknown) => {
        if (codeOf(error) === 'ENOSPC') throw error
        await local.rm(to, { recursive: true, force: true }).catch(ignoreMissing)
        await local.rename(path, to).catch(ignoreMissing)
      })
    })
    log.supersede(target.entry)
    log.clean(target.entry)
    copies.abandon(target.entry)
    const { baseEtag } = target.entry
    // The remote never had the old name of a new file: it gets only the new one.
    const { isDirty } = entry
    if (isDirty) log.supersede(entry)
    entry.alter({ ctimeMs: now(), etag: entry.stats?.etag })
    const isNew = isDirty && log.isOnlyHere(entry)
    tree.detach(target.entry)
    const left = this.#vacate(entry, target)
    this.touchParent(entry)
    const { isDirectory } = entry
    const change = { kind: 'rename' as const, path, to, isDirectory, entry, left, id }
    if (isNew) {
      entry.baseEtag = baseEtag
      log.end(change)
    } else log.add(change)
    if (isDirty) log.write(entry)
  }

  async change(path: string, changes: AttributeChanges, options: Resolving): Promise<void> {
    await this.#parts.queue.room(options)
    const entry = await this.find(path, options)
    using _names = await this.#parts.locks.shareNames(options)
    using _entry = await this.#parts.locks.entry(entry, options)
    await this.changeEntry(entry, changes)
  }

  async changeEntry(entry: Entry, changes: AttributeChanges): Promise<void> {
    const { remote, log } = this.#parts
    const given = Object.entries(changes).filter(([, value]) => value !== undefined)
    entry.alter({ ...Object.fromEntries(given), etag: entry.stats?.etag })
    if (entry.isDetached || !remote.features.attributes) return
    log.attributes(entry, changes)
    await log.written()
  }

  newFileStats(mode: number): Stats {
    const etag = `new-${this.#parts.tree.clock}`
    return new Stats({ kind: 'file', mode: mode & ~UMASK, mtimeMs: this.#parts.now(), etag })
  }

  /** Removes the entry from its name; the entry that is left there records the absence. */
  #vacate(entry: Entry, to?: Place): Entry {
    const { tree, now } = this.#parts
    const { parent, name, baseEtag } = entry
    if (parent === undefined) throw failure('EBUSY', 'rename', '/')
    this.touchParent(entry)
    if (to === undefined) tree.detach(entry)
    else tree.move(entry, to.directory, to.name)
    const left = tree.child(parent, name)
    left.stats = null
    left.baseEtag = baseEtag
    left.validatedMs = now()
    tree.touch(left)
    return left
  }

  /** A name was created in or removed from its directory. */
  touchParent({ parent }: Entry): void {
    const mtimeMs = this.#parts.now()
    if (parent?.stats != null) {
      parent.stats = new Stats({ ...parent.stats.fields, mtimeMs, ctimeMs: mtimeMs })
    }
  }
}

function isCurrent({ directory, name, entry }: Place): boolean {
  if (entry.isDetached || entry.stats === undefined) return false
  if (entry.parent === undefined) return true
  return !directory.isDetached && directory.children.get(name) === entry
}

function hasChildren(directory: Entry): boolean {
  return [...directory.children.values()].some((child) => child.stats !== null)
}

function checkReplaced(entry: Entry, target: Entry, from: string, dest: string): void {
  if (target.stats == null) return
  if (target.isDirectory && !entry.isDirectory) throw failure('EISDIR', 'rename', from, { dest })
  if (!target.isDirectory && entry.isDirectory) throw failure('ENOTDIR', 'rename', from, { dest })
}

function ignoreMissing(error: unknown): void {
  const code = codeOf(error)
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
}

/**
 * Opens, creates and replaces files of a CacheFS: provides a local copy, fetches what a writer
 * needs before it writes, and queues changes for the remote.
 */
import { throwIfAborted } from '../../base/async/abort.ts'
import { codeOf } from '../../base/fs-error.ts'
import { failure } from '../../filesystem/failure.ts'
import type { FileHandle } from '../../filesystem/file-handle.ts'
import type { CallOptions, FileSystem, ReplaceOptions } from '../../filesystem/file-system.ts'
import type { OpenFile } from '../../filesystem/open-file.ts'
import type { OpenFlags } from '../../filesystem/open-flags.ts'
import { parentOf } from '../../filesystem/file-path.ts'
import type { Stats } from '../../filesystem/stats.ts'
import { cachefsLimits } from '../limits.ts'
import type { CacheLocks } from '../cache-locks.ts'
import { CachedFile } from './cached-file.ts'
import type { CachedNames, Place } from '../cached-names.ts'
import type { ChangeLog } from '../journal/change-log.ts'
import type { Entry } from '../entry.ts'
import type { EntryTree } from '../entry-tree.ts'
import { makeLocalDirectory } from './local-copies.ts'
import type { LocalCopies } from './local-copies.ts'
import { LocalCopy } from './local-copy.ts'
import { ignoreNoFile, isMissing } from './lost-copy.ts'
import { openCopy, truncateCopy } from './open-copy.ts'
import type { LocalRoom } from './local-room.ts'
import { OpenDirectory } from './open-directory.ts'
import { RESERVED } from '../remote/remote-view.ts'

export interface CachedFilesParts {
  local: FileSystem
  tree: EntryTree
  names: CachedNames
  copies: LocalCopies
  room: LocalRoom
  locks: CacheLocks
  log: ChangeLog
  blockBytes: number
  now: () => number
  /** Called before the first change to an entry that equals the remote's; for the journal. */
  onDirty: (entry: Entry) => Promise<void>
  syncJournal: () => Promise<void>
}

let staged = 0

export class CachedFiles {
  readonly #parts: CachedFilesParts

  constructor(parts: CachedFilesParts) {
    this.#parts = parts
  }

  async open(
    path: string,
    flags: OpenFlags,
    mode: number,
    options: CallOptions,
  ): Promise<OpenFile> {
    const { names, room } = this.#parts
    const resolving = {
      ...options,
      follow: !flags.exclusive,
      offline: flags.create && !flags.exclusive,
    }
    for (let round = 0; round < cachefsLimits.cacheRounds; round++) {
      const place = await names.resolve(path, resolving)
      const { entry } = place
      if (entry.stats == null) {
        if (!flags.create) throw failure('ENOENT', 'open', path)
        const make = () => this.#create(place.entry.path, flags, mode, resolving)
        const made = await room.run(0, make, options)
        if (made !== undefined) return made
        continue
      }
      if (flags.exclusive) throw failure('EEXIST', 'open', path)
      if (entry.isDirectory) {
        if (flags.write) throw failure('EISDIR', 'open', path)
        return new OpenDirectory(entry.stats)
      }
      const file = await this.#openKnown(entry, flags, options)
      if (file !== undefined) return file
    }
    throw failure('EBUSY', 'open', path)
  }

  /** Undefined if another call created it first. */
  async #create(
    path: string,
    flags: OpenFlags,
    mode: number,
    options: CallOptions & { offline: boolean },
  ): Promise<OpenFile | undefined> {
    const { names, locks, copies } = this.#parts
    return await names.inDirectory(path, { ...options, follow: false }, async ({ entry }) => {
      if (entry.stats !== null) return undefined
      using _entry = await locks.entry(entry)
      // Before the first await: an answer of the remote must not mark the name as absent.
      entry.stats = names.newFileStats(mode)
      try {
        await this.#begin(entry)
        const copy = await copies.create(entry)
        names.touchParent(entry)
        return await this.#file(entry, copy, flags)
      } catch (error) {
        entry.stats = null
        entry.isDirty = false
        this.#parts.log.clean(entry)
        throw error
      }
    })
  }

  async #openKnown(
    entry: Entry,
    flags: OpenFlags,
    options: CallOptions,
  ): Promise<OpenFile | undefined> {
    const open = () => this.#openExisting(entry, flags, options)
    const file = await this.#parts.room.run(0, open, options)
    if (file === undefined || !flags.write) return file
    try {
      await file.fill(options)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async #openExisting(
    entry: Entry,
    flags: OpenFlags,
    options: CallOptions,
  ): Promise<CachedFile | undefined> {
    const { copies, locks } = this.#parts
    using _names = await locks.shareNames(options)
    using _entry = await locks.entry(entry, options)
    if (entry.isDetached || entry.stats == null) return undefined
    const clears = flags.truncate && flags.write
    const needsFile = flags.write
    const copy = clears ? await this.#empty(entry) : await copies.ensure(entry, { needsFile })
    return await this.#file(entry, copy, flags)
  }

  /** Truncates in place, so that other open handles see it too. */
  async #empty(entry: Entry): Promise<LocalCopy> {
    const { copies, local, now } = this.#parts
    await this.#begin(entry)
    if (entry.copy?.lacksFile) await copies.ensure(entry, { needsFile: true })
    if (entry.copy !== undefined) {
      entry.isChanging = true
      const isGone = await isMissing(truncateCopy(local, entry.path)).finally(() => {
        entry.isChanging = false
      })
      if (isGone) copies.abandon(entry)
    }
    const copy = entry.copy ?? (await copies.create(entry))
    copy.size = 0
    copy.present = undefined
    copies.use(copy)
    entry.alter({ size: 0, mtimeMs: now() })
    return copy
  }

  /** Undefined if the remote's next version has replaced the copy meanwhile. */
  async #file(entry: Entry, copy: LocalCopy, flags: OpenFlags): Promise<CachedFile | undefined> {
    const { copies, room, locks, now, log, names } = this.#parts
    const handle = copy.lacksFile ? undefined : await this.#handle(entry, copy, flags)
    if (entry.copy !== copy || (handle === undefined && flags.write)) {
      await handle?.close()
      return undefined
    }
    return new CachedFile({
      ...{ entry, copy, handle, copies, room, locks, now },
      isWriter: flags.write,
      reopen: () => this.#reopen(entry, copy, flags),
      onKept: (it) => log.kept(it),
      onDirty: (it) => this.#begin(it),
      onWritten: (it) => log.write(it),
      change: (it, changes) => names.changeEntry(it, changes),
      syncJournal: this.#parts.syncJournal,
    })
  }

  /** Undefined if another copy has replaced this one, or its file was lost and is fetched again. */
  async #handle(
    entry: Entry,
    copy: LocalCopy,
    { write }: OpenFlags,
  ): Promise<FileHandle | undefined> {
    const { local, copies } = this.#parts
    const handle = await openCopy(local, entry.path, write ? 'r+' : 'r').catch(ignoreNoFile)
    const size = (await handle?.stat())?.size ?? 0
    if (entry.copy !== copy || (handle !== undefined && size >= copy.size)) return handle
    await handle?.close()
    copies.refetch(copy, size)
    return undefined
  }

  /** For a copy that had no local file when it was opened. */
  async #reopen(entry: Entry, copy: LocalCopy, { write }: OpenFlags): Promise<FileHandle> {
    using _names = await this.#parts.locks.shareNames()
    if (entry.copy !== copy) throw failure('ESTALE', 'read', entry.path)
    return await openCopy(this.#parts.local, entry.path, write ? 'r+' : 'r')
  }

  /**
   * Marks the content as changing; if the journal cannot record that, the change does not happen.
   */
  async #begin(entry: Entry): Promise<void> {
    const wasDirty = entry.isDirty
    entry.isDirty = true
    entry.generation++
    this.#parts.tree.touch(entry)
    try {
      await this.#parts.onDirty(entry)
    } catch (error) {
      entry.isDirty = wasDirty
      // It may have been sent just now, and counted as an older state.
      if (wasDirty) this.#parts.log.write(entry)
      throw error
    }
  }

  /** Writes to a staging file on the local side, which is then renamed to the path. */
  async replace(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions,
  ): Promise<Stats> {
    const { local, names, room } = this.#parts
    const stage = `/${RESERVED}/staged-${++staged}`
    await makeLocalDirectory(local, `/${RESERVED}`)
    try {
      {
        await using handle = await local.open(stage, 'w', 0o600)
        let at = 0
        for await (const piece of source) {
          throwIfAborted(options.signal)
          const write = () => handle.write(piece, 0, piece.length, at)
          await room.run(piece.length, write, options)
          at += piece.length
        }
      }
      throwIfAborted(options.signal)
      const { path: at } = (await names.resolve(path, { ...options, follow: true, offline: true }))
        .entry
      const resolving = { ...options, offline: true }
      const install = () => {
        return names.inDirectory(at, resolving, (place) => this.#install(place, stage, options))
      }
      return await room.run(0, install, options)
    } finally {
      await local.rm(stage, { force: true })
    }
  }

  async #install({ entry }: Place, stage: string, options: ReplaceOptions): Promise<Stats> {
    const { local, locks, copies, names, log, now, blockBytes } = this.#parts
    using _entry = await locks.entry(entry)
    const { path } = entry
    if (entry.isDirectory) throw failure('EISDIR', 'open', path)
    const { ifMatch, mtimeMs = now() } = options
    if (ifMatch !== undefined && (entry.stats?.etag ?? null) !== ifMatch) {
      throw failure('ESTALE', 'open', path)
    }
    const { size } = await local.stat(stage)
    await this.#begin(entry)
    using _path = await locks.localPath(path)
    await makeLocalDirectory(local, parentOf(path))
    await local.rename(stage, path).catch(async (error: unknown) => {
      if (codeOf(error) !== 'EISDIR') throw error
      await local.rm(path, { recursive: true, force: true })
      await local.rename(stage, path)
    })
    copies.abandon(entry)
    const mode = options.mode ?? (entry.stats === null ? 0o666 : undefined)
    if (entry.stats === null) names.touchParent(entry)
    entry.stats ??= names.newFileStats(mode ?? 0o666)
    entry.alter({ size, mtimeMs, ...(options.mode === undefined ? {} : { mode: options.mode }) })
    copies.adopt(entry, new LocalCopy(entry, size, blockBytes))
    const { stats } = entry
    log.kept(entry)
    log.write(entry)
    if (options.mode !== undefined) await names.changeEntry(entry, { mode: options.mode })
    return stats
  }
}

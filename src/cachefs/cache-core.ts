/**
 * Creates and connects the parts of a CacheFS, and does what involves all of them. A part has
 * access only to the parts that it is given here.
 */
import type { FileSystem } from '../filesystem/file-system.ts'
import { BackgroundErrors } from './background-errors.ts'
import { newCounters } from './cache-counters.ts'
import { CacheLocks } from './cache-locks.ts'
import { settle } from './cache-options.ts'
import type { CacheOptions, CacheSettings } from './cache-options.ts'
import { CachedFiles } from './local/cached-files.ts'
import { CachedNames } from './cached-names.ts'
import { ChangeLog } from './journal/change-log.ts'
import { ContentReader } from './remote/content-reader.ts'
import { NEVER } from './entry.ts'
import type { Entry } from './entry.ts'
import type { Change } from './journal/change.ts'
import { CacheMemory } from './cache-memory.ts'
import { EntryTree } from './entry-tree.ts'
import { LocalCopies } from './local/local-copies.ts'
import { LocalRoom } from './local/local-room.ts'
import { RESERVED, RemoteView } from './remote/remote-view.ts'
import { RemoteWriter } from './remote/remote-writer.ts'
import { WriteQueue } from './remote/write-queue.ts'

export class CacheCore {
  readonly settings: CacheSettings
  readonly counters = newCounters()
  readonly errors: BackgroundErrors
  readonly tree = new EntryTree()
  readonly copies: LocalCopies
  readonly queue: WriteQueue
  readonly view: RemoteView
  readonly names: CachedNames
  readonly files: CachedFiles
  readonly room: LocalRoom
  readonly #locks = new CacheLocks()
  readonly memory: CacheMemory
  #opening: Promise<void> | undefined

  constructor(local: FileSystem, remote: FileSystem, options: CacheOptions) {
    const settings = settle(options)
    const { counters, tree } = this
    const locks = this.#locks
    this.settings = settings
    this.errors = new BackgroundErrors(settings.logger)
    const onChange = (entry: Entry): void => this.memory.changed(entry)
    const { now, blockBytes, maxBytes } = settings
    this.copies = new LocalCopies({
      ...{ local, remote, tree, locks, counters, blockBytes, maxBytes, onChange },
      onGone: (entry) => this.memory.gone(entry),
      settled: (path, call) => this.view.settled(path, call),
    })
    const { copies, errors } = this
    const reader = new ContentReader(local, locks, copies)
    const onEnd = (change: Change): void => {
      log.end(change)
      onChange(change.entry)
    }
    const writer = new RemoteWriter({
      ...{ remote, tree, copies, reader, errors, counters, settings, onEnd },
      resend: (entry) => log.resend(entry),
    })
    this.queue = new WriteQueue({ ...settings, run: (...it) => writer.run(...it) })
    const { queue } = this
    this.room = new LocalRoom({ local, tree, locks, copies, queue })
    const { room } = this
    this.view = new RemoteView({ remote, tree, copies, queue, counters, settings, onChange })
    const { view } = this
    const log = new ChangeLog(tree, queue, counters)
    this.memory = new CacheMemory(tree, log, locks)
    const onDirty = (entry: Entry): Promise<void> => log.dirty(entry)
    this.names = new CachedNames({ local, remote, tree, view, copies, locks, queue, log, now })
    const { names } = this
    this.files = new CachedFiles({
      ...{ local, tree, names, copies, room, locks, log, blockBytes, now, onDirty },
      syncJournal: () => this.memory.sync(),
    })
    if (settings.journal === false) return
    const parts = { local, tree, copies, log, blockBytes, now }
    this.#opening = this.memory.open(settings.journal, parts)
    // Every call awaits it and gets its error.
    this.#opening.catch(() => undefined)
  }

  /** Resolves when the journal, if there is one, has been read. */
  async ready(): Promise<void> {
    await this.#opening
  }

  /** Whether a path belongs to the cache's own files on the local side. */
  isReserved(path: string): boolean {
    return path === `/${RESERVED}` || path.startsWith(`/${RESERVED}/`)
  }

  /** Removes entries that match and that the remote can supply again; returns their number. */
  async forget(isWanted: (entry: Entry) => boolean): Promise<number> {
    let count = 0
    for (const entry of [...this.tree.root.all()].reverse()) {
      if (!isFree(entry) || !isWanted(entry)) continue
      using _names = await this.#locks.shareNames()
      using _entry = await this.#locks.entry(entry)
      // It may have changed during the wait for the locks.
      if (!isFree(entry)) continue
      if (entry.copy !== undefined) await this.copies.drop(entry)
      entry.listedMs = NEVER
      entry.validatedMs = NEVER
      await this.memory.gone(entry)
      if (entry.parent === undefined || entry.children.size > 0) continue
      entry.parent.listedMs = NEVER
      this.tree.detach(entry)
      count++
    }
    return count
  }
}

function isFree(entry: Entry): boolean {
  return !entry.isDetached && !entry.hasPins && (entry.copy?.users ?? 0) === 0
}

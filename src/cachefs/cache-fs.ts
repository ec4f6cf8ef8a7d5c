/**
 * A cache in front of a remote file system, with its data on a local one. Reads are served from the
 * local side while its data is valid, and from the remote otherwise; writes take effect on the
 * local side at once and are sent to the remote in the background.
 *
 *     await using files = new CacheFS(new LocalFS('/var/cache/data'), new HttpFS(url))
 *     await files.writeFile('/report.txt', 'done')   // at local speed
 *     await files.wait()                             // the remote has it
 *
 * Its parts: a tree of entries (what is cached of each name), copies (contents on the local side),
 * a view of the remote (lookups and revalidation), a queue of pending changes, and a writer that
 * applies them to the remote.
 */
import { FsError, codeOf } from '../base/fs-error.ts'
import { failure } from '../filesystem/failure.ts'
import { childOf, normalize } from '../filesystem/file-path.ts'
import type {
  AttributeChanges,
  CallOptions,
  ContentOptions,
  Features,
  FileSystem,
  ReplaceOptions,
} from '../filesystem/file-system.ts'
import type { OpenFile } from '../filesystem/open-file.ts'
import type { OpenFlags } from '../filesystem/open-flags.ts'
import { PortableFileSystem } from '../filesystem/portable-file-system.ts'
import { Dirent } from '../filesystem/stats.ts'
import type { Stats } from '../filesystem/stats.ts'
import { cachefsLimits } from './limits.ts'
import type { BackgroundError, ErrorListener } from './background-errors.ts'
import type { CacheCounters } from './cache-counters.ts'
import { CacheCore } from './cache-core.ts'
import { checkCacheOption, checkSides } from './cache-options.ts'
import type { CacheOptions } from './cache-options.ts'
import type { CachedNames } from './cached-names.ts'
import { NEVER } from './entry.ts'

export interface CacheStatus {
  /** The local side has its content, or part of it. */
  cached: boolean
  cachedBytes: number
  /** What is cached of it may be served without a request to the remote. */
  valid: boolean
  /** When its validity ends; undefined if nothing is cached, and while changes are pending. */
  expiresAt: Date | undefined
  /** Local changes have not reached the remote yet. */
  pending: boolean
}

export interface CacheTotals extends CacheCounters {
  /** Contents on the local side. */
  bytes: number
  files: number
  /** Pending changes, and how many of them are stalled: they failed and are retried later. */
  pending: number
  stalled: number
}

export class CacheFS extends PortableFileSystem {
  readonly features: Features
  readonly #core: CacheCore
  #isClosed = false

  constructor(local: FileSystem, remote: FileSystem, options: CacheOptions = {}) {
    super()
    checkSides(local, remote)
    this.#core = new CacheCore(local, remote, options)
    this.features = {
      symlinks: remote.features.symlinks,
      attributes: true,
      directories: true,
      handles: local.features.handles,
    }
  }

  /** Opens a CacheFS and reads its journal. After `new`, every call waits for the journal. */
  static async open(
    local: FileSystem,
    remote: FileSystem,
    options: CacheOptions = {},
  ): Promise<CacheFS> {
    const files = new CacheFS(local, remote, options)
    await files.#ready()
    return files
  }

  /**
   * Validity of cached names and contents, ms; a new value also applies to what is cached already.
   */
  get ttlMs(): number {
    return this.#core.settings.ttlMs
  }

  set ttlMs(ttlMs: number) {
    checkCacheOption('ttlMs', ttlMs)
    this.#core.settings.ttlMs = ttlMs
  }

  get counters(): CacheTotals {
    const { counters, copies, queue } = this.#core
    const { bytes, count: files } = copies
    return { ...counters, bytes, files, pending: queue.size, stalled: queue.stalled.length }
  }

  /**
   * Resolves when all local changes have reached the remote or are stalled. Stalled changes are
   * counted in `counters`, explained by `errors()`, and retried later.
   */
  async wait(options: CallOptions = {}): Promise<void> {
    await this.#ready()
    await this.#core.queue.idle(options)
    await this.#core.copies.idle()
    await this.#core.room.run(0, () => this.#core.memory.flush(), options)
  }

  /** Retries stalled changes now. */
  retry(): void {
    this.#core.queue.retryNow()
  }

  /** The latest background errors, oldest first. */
  errors(): BackgroundError[] {
    return this.#core.errors.recent
  }

  on(_event: 'error', listener: ErrorListener): this {
    this.#core.errors.listen(listener)
    return this
  }

  off(_event: 'error', listener: ErrorListener): this {
    this.#core.errors.unlisten(listener)
    return this
  }

  /** Makes the next access to the path, and to all paths below it, revalidate with the remote. */
  invalidate(path: string): void {
    for (const entry of this.#core.tree.find(normalize(path))?.all() ?? []) {
      if (entry.isPinned) continue
      entry.validatedMs = NEVER
      entry.listedMs = NEVER
      this.#core.memory.changed(entry)
    }
  }

  /** Removes everything from the cache that the remote can supply again. */
  async clear(): Promise<void> {
    await this.#ready()
    await this.#core.forget(() => true)
  }

  /** Removes expired entries and their local copies; returns the number of entries. */
  async expire(): Promise<number> {
    await this.#ready()
    return await this.#core.forget((entry) => !this.#core.view.isFresh(entry))
  }

  /** Cache status of a path; sends no request. */
  status(path: string): CacheStatus {
    const { tree, view, settings } = this.#core
    const entry = tree.find(normalize(path))
    const copy = entry?.copy
    const isKnown = entry?.stats !== undefined
    const ttlMs = entry?.stats === null ? settings.negativeTtlMs : settings.ttlMs
    const hasEnd = isKnown && !entry.isPinned && entry.validatedMs !== NEVER
    return {
      cached: copy !== undefined && (copy.isWhole || copy.bytes > 0),
      cachedBytes: copy?.bytes ?? 0,
      valid: isKnown && view.isFresh(entry),
      expiresAt: hasEnd ? new Date(entry.validatedMs + ttlMs) : undefined,
      pending: entry?.isPinned ?? false,
    }
  }

  /**
   * Waits for pending changes, as long as `signal` allows, and stops the background work. Rejects
   * if some changes have not reached the remote, unless a journal keeps them for the next start.
   */
  async close(options: CallOptions = {}): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { queue, memory, room, settings } = this.#core
    await this.#core.ready()
    // Stalled changes get a last attempt: the remote may be reachable again.
    queue.retryNow()
    const cut = await queue.idle(options).then(
      () => undefined,
      (error: unknown) => error,
    )
    await queue.stop()
    await this.#core.copies.idle()
    const { size } = queue
    await room.run(0, () => memory.close())
    if (size === 0 || settings.journal !== false) return
    const cause = cut ?? this.errors().at(-1)?.cause
    throw new FsError('EIO', `${size} changes have not reached the remote`, { cause })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  protected async openFile(
    path: string,
    flags: OpenFlags,
    mode: number,
    options: CallOptions,
  ): Promise<OpenFile> {
    this.#checkReserved(path)
    await this.#ready()
    return await this.#core.files.open(path, flags, mode, options)
  }

  protected async statFile(path: string, follow: boolean, options: CallOptions): Promise<Stats> {
    await this.#ready()
    return (await this.#core.names.find(path, { ...options, follow })).stats
  }

  protected async *entries(path: string, options: CallOptions): AsyncGenerator<Dirent> {
    await this.#ready()
    const directory = await this.#core.names.find(path, { ...options, follow: true })
    if (!directory.stats.isDirectory()) throw failure('ENOTDIR', 'scandir', path)
    const { view } = this.#core
    await view.list(directory, options)
    for (const { name, stats, hint } of [...directory.children.values()]) {
      if (stats === null) continue
      if (stats === undefined && hint !== undefined) yield new Dirent(name, path, hint)
      else {
        const child = stats === undefined ? await view.child(directory, name, options) : undefined
        const known = child === undefined ? stats : child.stats
        if (known != null) yield new Dirent(name, path, known.kind, known)
      }
    }
  }

  protected async makeDirectory(path: string, mode: number, options: CallOptions): Promise<void> {
    if (path === '/') throw failure('EEXIST', 'mkdir', path)
    this.#checkReserved(path)
    await this.#inRoom((names) => names.makeDirectory(path, mode, options), options)
  }

  protected async removeDirectory(path: string, options: CallOptions): Promise<void> {
    await this.#ready()
    await this.#core.names.removeDirectory(path, options)
  }

  protected async removeFile(path: string, options: CallOptions): Promise<void> {
    await this.#inRoom((names) => names.removeFile(path, options), options)
  }

  protected async move(from: string, to: string, options: CallOptions): Promise<void> {
    this.#checkReserved(to)
    await this.#inRoom((names) => names.move(from, to, options), options)
  }

  protected async makeLink(target: string, path: string, options: CallOptions): Promise<void> {
    if (!this.features.symlinks) throw failure('EOPNOTSUPP', 'symlink', path)
    this.#checkReserved(path)
    await this.#inRoom((names) => names.makeLink(target, path, options), options)
  }

  protected async readTarget(path: string, options: CallOptions): Promise<string> {
    await this.#ready()
    const entry = await this.#core.names.find(path, options)
    if (!entry.stats.isSymbolicLink()) throw failure('EINVAL', 'readlink', path)
    return entry.target
  }

  protected async change(
    path: string,
    changes: AttributeChanges,
    follow: boolean,
    options: CallOptions,
  ): Promise<void> {
    await this.#inRoom((names) => names.change(path, changes, { ...options, follow }), options)
  }

  protected async replaceFile(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions,
  ): Promise<Stats> {
    this.#checkReserved(path)
    await this.#ready()
    await this.#core.queue.room(options)
    return await this.#core.files.replace(path, source, options)
  }

  /** If the remote replaces the file before the first byte was returned, the read starts again. */
  protected override async *pieces(
    path: string,
    options: ContentOptions,
  ): AsyncGenerator<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      let hasBegun = false
      try {
        for await (const piece of super.pieces(path, options)) {
          hasBegun = true
          yield piece
        }
        return
      } catch (error) {
        const isFinal = hasBegun || options.ifMatch !== undefined
        if (isFinal || codeOf(error) !== 'ESTALE' || attempt === cachefsLimits.cacheReadAttempts) {
          throw error
        }
      }
    }
  }

  async #inRoom(work: (names: CachedNames) => Promise<void>, options: CallOptions): Promise<void> {
    await this.#ready()
    await this.#core.room.run(0, () => work(this.#core.names), options)
  }

  async #ready(): Promise<void> {
    if (this.#isClosed) throw new FsError('EBADF', 'this CacheFS has been closed')
    await this.#core.ready()
  }

  #checkReserved(path: string): void {
    if (!this.#core.isReserved(path)) return
    const text = `${childOf('/', '.cachefs')} is reserved for the cache`
    throw failure('EPERM', 'open', path, { text })
  }
}

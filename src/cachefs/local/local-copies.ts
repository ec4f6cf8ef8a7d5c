/**
 * Contents on the local side: creates copies, fills them block by block from the remote, and evicts
 * the least recently used ones.
 *
 * Invariants: a block is fetched once, however many readers want it, and only from the version of
 * the copy. Locally changed and open files are never evicted. A local file is not removed from a
 * path that another entry has now.
 */
import { codeOf } from '../../base/fs-error.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import { failure } from '../../filesystem/failure.ts'
import { collect } from '../../filesystem/file-bytes.ts'
import type { FileHandle } from '../../filesystem/file-handle.ts'
import { parentOf } from '../../filesystem/file-path.ts'
import type { CallOptions, FileSystem } from '../../filesystem/file-system.ts'
import { cachefsLimits } from '../limits.ts'
import type { CacheCounters } from '../cache-counters.ts'
import type { CacheLocks } from '../cache-locks.ts'
import type { Entry } from '../entry.ts'
import { NEVER } from '../entry.ts'
import type { EntryTree } from '../entry-tree.ts'
import { LocalCopy } from './local-copy.ts'
import { LostCopyError, ignoreNoFile } from './lost-copy.ts'
import { openCopy } from './open-copy.ts'

export interface LocalCopiesParts {
  local: FileSystem
  remote: FileSystem
  tree: EntryTree
  locks: CacheLocks
  counters: CacheCounters
  blockBytes: number
  maxBytes: number
  /**
   * Resolves when the changes that the path depends on have reached the remote; throws otherwise.
   */
  settled: (path: string, options: CallOptions) => Promise<void>
  /** Called before the local file at the path of the entry is replaced; for the journal. */
  onGone: (entry: Entry) => Promise<void>
  /** Called after the cached part of the entry has changed; for the journal. */
  onChange: (entry: Entry) => void
}

export class LocalCopies {
  readonly #parts: LocalCopiesParts
  /** Copies and their sizes in bytes, least recently used first. */
  readonly #used = new Map<LocalCopy, number>()
  #bytes = 0
  #eviction: Promise<unknown> | undefined

  constructor(parts: LocalCopiesParts) {
    this.#parts = parts
  }

  /** Bytes on the local side. */
  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#used.size
  }

  /**
   * Returns the copy of an entry; creates it if absent. On a full disk, it creates one without a
   * local file, unless `needsFile` is set. The caller holds the locks of names and entry.
   */
  async ensure(entry: Entry, { needsFile }: { needsFile: boolean }): Promise<LocalCopy> {
    const known = entry.copy
    if (known !== undefined) {
      if (known.lacksFile && needsFile) await this.#createFile(entry, known)
      this.use(known)
      return known
    }
    for (;;) {
      const { stats, baseEtag } = entry
      const copy = new LocalCopy(entry, stats?.size ?? 0, this.#parts.blockBytes, baseEtag ?? '')
      using _path = await this.#parts.locks.localPath(entry.path)
      await this.#makeFile(entry, copy.size).catch((error: unknown) => {
        if (needsFile || codeOf(error) !== 'ENOSPC') throw error
        copy.lacksFile = true
        copy.diskFullUntilMs = performance.now() + cachefsLimits.cacheTightMs
      })
      // The remote may have reported a newer version meanwhile.
      if (entry.baseEtag !== baseEtag || entry.stats?.size !== stats?.size) continue
      return this.adopt(entry, copy)
    }
  }

  /** Creates the missing file of a copy. The caller holds the locks of names and entry. */
  async #createFile(entry: Entry, copy: LocalCopy): Promise<void> {
    using _path = await this.#parts.locks.localPath(entry.path)
    await this.#makeFile(entry, copy.size)
    copy.lacksFile = false
  }

  /** Creates an empty file. The caller holds the locks of names and entry. */
  async create(entry: Entry): Promise<LocalCopy> {
    using _path = await this.#parts.locks.localPath(entry.path)
    await this.#makeFile(entry, 0)
    return this.adopt(entry, new LocalCopy(entry, 0, this.#parts.blockBytes))
  }

  adopt(entry: Entry, copy: LocalCopy): LocalCopy {
    entry.copy = copy
    this.use(copy)
    return copy
  }

  /** Marks the copy as used, and updates its size. */
  use(copy: LocalCopy): void {
    if (copy.entry === undefined) return
    this.#bytes += copy.bytes - (this.#used.get(copy) ?? 0)
    this.#used.delete(copy)
    this.#used.set(copy, copy.bytes)
    if (this.#bytes > this.#parts.maxBytes) this.#startEviction()
  }

  /** Detaches the copy from its entry; its file is removed unless a new one takes the path. */
  release(entry: Entry): void {
    const { copy, path } = entry
    if (copy === undefined) return
    this.abandon(entry)
    void this.#remove(entry, path)
  }

  /** Last close: releases a copy that did not fit on the disk, so that others can use its space. */
  releaseIfPartial({ entry, isWhole, diskFullUntilMs }: LocalCopy): void {
    if (entry === undefined || isWhole || diskFullUntilMs === -Infinity || entry.isPinned) return
    this.release(entry)
  }

  /** The local file has fewer bytes than recorded: fetches again what the remote has. */
  refetch(copy: LocalCopy, foundBytes: number): void {
    const { entry } = copy
    if (entry === undefined) throw failure('ESTALE', 'read')
    if (entry.isDirty || copy.etag === undefined) {
      throw new LostCopyError(entry.path, foundBytes, copy.size)
    }
    copy.present = new Set()
    copy.lacksFile = true
    copy.fileVersion++
    this.use(copy)
    this.#parts.onChange(entry)
  }

  /** Fetches the blocks from `start` to `end`. */
  async fill(copy: LocalCopy, start: number, end: number, options: CallOptions): Promise<void> {
    if (copy.isWhole || start >= copy.size) return
    const first = Math.floor(start / copy.blockBytes)
    const last = Math.floor((Math.min(end, copy.size) - 1) / copy.blockBytes)
    if (first === last) {
      await this.#block(copy, first, options)
      return
    }
    const pool = new Semaphore(cachefsLimits.cacheFetches)
    const missing: number[] = []
    for (let block = first; block <= last; block++) if (!copy.has(block)) missing.push(block)
    await Promise.all(missing.map((block) => pool.run(() => this.#block(copy, block, options))))
  }

  /**
   * Like `fill`. If the disk has no space for the blocks, returns the bytes instead: a file may be
   * larger than the local side. One of its blocks is then in memory.
   */
  async provide(
    copy: LocalCopy,
    start: number,
    end: number,
    options: CallOptions,
  ): Promise<Uint8Array | undefined> {
    if (performance.now() >= copy.diskFullUntilMs) {
      try {
        await this.fill(copy, start, end, options)
        return undefined
      } catch (error) {
        if (codeOf(error) !== 'ENOSPC') throw error
        copy.diskFullUntilMs = performance.now() + cachefsLimits.cacheTightMs
      }
    }
    const bytes = new Uint8Array(end - start)
    for (let at = start; at < end;) {
      const block = Math.floor(at / copy.blockBytes)
      const data = await this.#unstoredBlock(copy, block, options)
      const from = at - block * copy.blockBytes
      const part = data.subarray(from, from + end - at)
      bytes.set(part, at - start)
      at += part.length
    }
    return bytes
  }

  /** Fetches a block without storing it. */
  async #unstoredBlock(
    copy: LocalCopy,
    block: number,
    { signal }: CallOptions,
  ): Promise<Uint8Array> {
    if (copy.lastUnstored?.block === block) return copy.lastUnstored.data
    const { entry } = copy
    if (entry === undefined || entry.isDetached) throw failure('ESTALE', 'read', entry?.path)
    const range = copy.range(block)
    const data = await this.#ask(copy, entry, range, signal ?? new AbortController().signal)
    this.#parts.counters.fetchedBytes += data.length
    if (data.length !== range.end - range.start + 1) throw failure('ESTALE', 'read', entry.path)
    copy.lastUnstored = { block, data }
    return data
  }

  /**
   * Evicts at least so many bytes that can be fetched again; returns false if nothing was evicted.
   */
  async makeRoom(bytes: number): Promise<boolean> {
    return await this.#evict(this.#bytes - Math.max(this.#bytes / 10, 4 * bytes))
  }

  /**
   * Prefetches the blocks after `position`. Nobody waits; a failure shows when the block is read.
   */
  ahead(copy: LocalCopy, position: number): void {
    if (copy.isWhole || performance.now() < copy.diskFullUntilMs) return
    const next = Math.floor(position / copy.blockBytes)
    for (
      let block = next;
      block < Math.min(copy.blocks, next + cachefsLimits.cacheReadahead);
      block++
    ) {
      if (!copy.has(block)) this.#block(copy, block, {}).catch(() => undefined)
    }
  }

  /** Removes the copy and its file. The caller holds the locks of names and entry. */
  async drop(entry: Entry): Promise<void> {
    const { path } = entry
    this.abandon(entry)
    await this.#unlink(entry, path).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
  }

  /** Detaches the copy whose local file is removed or replaced; open files keep their data. */
  abandon(entry: Entry): void {
    if (entry.copy === undefined) return
    this.#uncount(entry.copy)
    entry.copy.entry = undefined
    entry.copy = undefined
  }

  async idle(): Promise<void> {
    await this.#eviction
  }

  async #block(copy: LocalCopy, block: number, options: CallOptions): Promise<void> {
    if (copy.has(block)) return
    await copy.flights.run(block, (signal) => this.#fetch(copy, block, signal), options)
  }

  async #fetch(copy: LocalCopy, block: number, signal: AbortSignal): Promise<void> {
    const { entry } = copy
    if (entry === undefined || entry.isDetached) throw failure('ESTALE', 'read', entry?.path)
    const range = copy.range(block)
    const data = await this.#ask(copy, entry, range, signal)
    this.#parts.counters.fetchedBytes += data.length
    try {
      await this.#put(copy, entry, block, data, signal)
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC') throw error
      // The disk is full: evict what can be fetched again.
      await this.makeRoom(data.length)
      await this.#put(copy, entry, block, data, signal)
    }
  }

  async #put(
    copy: LocalCopy,
    entry: Entry,
    block: number,
    data: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const { locks } = this.#parts
    const range = copy.range(block)
    using _names = await locks.shareNames({ signal })
    using _entry = await locks.entry(entry, { signal })
    if (copy.has(block)) return
    const isShort = data.length !== range.end - range.start + 1
    if (copy.entry !== entry || isShort) throw failure('ESTALE', 'read', entry.path)
    await using handle = await this.#openFile(copy, entry)
    await handle.write(data, 0, data.length, range.start)
    if (copy.entry !== entry) throw failure('ESTALE', 'read', entry.path)
    copy.add(block)
    this.use(copy)
    this.#parts.onChange(entry)
  }

  /** Opens the local file to write a block; creates it if there is none, or only a part of it. */
  async #openFile(copy: LocalCopy, entry: Entry): Promise<FileHandle> {
    const { local } = this.#parts
    if (!copy.lacksFile) {
      const handle = await openCopy(local, entry.path, 'r+').catch(ignoreNoFile)
      const size = (await handle?.stat())?.size ?? 0
      if (handle !== undefined && size >= copy.size) return handle
      await handle?.close()
      if (copy.entry !== entry) throw failure('ESTALE', 'read', entry.path)
      this.refetch(copy, size)
    }
    await this.#createFile(entry, copy)
    return await openCopy(local, entry.path, 'r+')
  }

  /** Reads a range at the remote; repeats it if the entry was renamed or changed meanwhile. */
  async #ask(
    copy: LocalCopy,
    entry: Entry,
    range: { start: number; end: number },
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    for (let round = 1; ; round++) {
      await this.#parts.settled(entry.path, { signal })
      const { path } = entry
      const ifMatch = copy.etag
      try {
        return await collect(this.#parts.remote.content(path, { ...range, ifMatch, signal }))
      } catch (error) {
        const isOther = codeOf(error) === 'ESTALE' || codeOf(error) === 'ENOENT'
        if (!isOther) throw error
        const isMoved = entry.path !== path || copy.etag !== ifMatch
        if (isMoved && !entry.isDetached && round < cachefsLimits.cacheRounds) continue
        // The remote has another version or none: the next lookup revalidates.
        entry.validatedMs = NEVER
        if (copy.entry === entry && !entry.isPinned) this.release(entry)
        throw failure('ESTALE', 'read', entry.path, { cause: error })
      }
    }
  }

  /** The caller holds the lock of the path. */
  async #makeFile(entry: Entry, size: number): Promise<void> {
    const { local } = this.#parts
    await this.#parts.onGone(entry)
    const { path } = entry
    // A new file: those who have the previous one open keep it.
    const make = async (): Promise<void> => {
      await using handle = await local.open(path, 'wx', 0o600)
      if (size > 0) await handle.truncate(size)
    }
    try {
      await local.rm(path, { recursive: true, force: true })
      await make()
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error
      await makeLocalDirectory(local, parentOf(path))
      await local.rm(path, { recursive: true, force: true })
      await make()
    }
  }

  #uncount(copy: LocalCopy): void {
    this.#bytes -= this.#used.get(copy) ?? 0
    this.#used.delete(copy)
  }

  async #remove(entry: Entry, path: string): Promise<void> {
    const { locks } = this.#parts
    try {
      using _names = await locks.shareNames()
      await this.#unlink(entry, path)
    } catch {
      // A leftover takes up space and is replaced when the name is used again.
    }
  }

  /**
   * Removes the file of the entry unless another entry has the path. The caller holds the names.
   */
  async #unlink(entry: Entry, path: string): Promise<void> {
    const { locks, local, tree, onGone } = this.#parts
    using _path = await locks.localPath(path)
    if (tree.find(path)?.copy !== undefined) return
    // If the disk has no space for the line, the path's next user writes it first.
    await onGone(entry).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOSPC') throw error
    })
    if (!(await local.lstat(path)).isFile()) return
    await local.unlink(path)
  }

  #startEviction(): void {
    this.#eviction ??= this.#evict(this.#parts.maxBytes).finally(() => {
      this.#eviction = undefined
    })
  }

  /** Returns whether anything was evicted. */
  async #evict(toBytes: number): Promise<boolean> {
    const { locks, counters } = this.#parts
    const before = counters.evictions
    for (const copy of [...this.#used.keys()]) {
      if (this.#bytes <= toBytes) break
      const { entry } = copy
      if (entry === undefined || entry.isPinned || copy.users > 0) continue
      using _names = await locks.shareNames()
      using _entry = await locks.entry(entry)
      // It may have changed during the wait for the locks.
      const isFree = entry.copy === copy && !entry.isPinned
      if (!isFree || copy.users !== 0) continue
      this.abandon(entry)
      await this.#unlink(entry, entry.path).catch(() => undefined)
      counters.evictions++
    }
    return counters.evictions > before
  }
}

/** Creates a local directory; removes files in its way, which are from an earlier version. */
export async function makeLocalDirectory(local: FileSystem, path: string): Promise<void> {
  try {
    await local.mkdir(path, { recursive: true })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' && codeOf(error) !== 'ENOTDIR') throw error
    if (path === '/') throw error
    await makeLocalDirectory(local, parentOf(path))
    await local.rm(path, { recursive: true, force: true })
    await local.mkdir(path)
  }
}

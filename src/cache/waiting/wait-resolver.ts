/**
 * Resolves the wait conditions of suspended operations: fetches chunks, frees space, waits until
 * older writes are durable. When space is short or the backlog is at its bound, files that are
 * still being written are committed early, so that their chunks can be uploaded and evicted: a file
 * may be larger than the cache, or than the bound of the backlog. Runs on the main thread.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { WaitResult } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import { cacheLimits } from '../limits.ts'
import type { Evictor } from '../space/evictor.ts'
import type { Fetcher } from '../read/fetcher.ts'
import type { FileCommitter } from '../write/file-committer.ts'
import type { GroupCommit } from '../write/group-commit.ts'
import {
  ATTRIBUTES_SETTLED,
  BYTES_FETCHED,
  COMMITTED,
  PAGES_DROPPED,
  WRITER_LISTED,
  WRITER_UNLISTED,
  WRITTEN,
  chunkSubject,
  type WaitCondition,
} from './wait-condition.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'
import type { Space } from '../space/space.ts'
import type { ChunkChecks } from '../checks/chunk-checks.ts'
import type { ConditionVariable } from './condition-variable.ts'
import type { Readahead } from '../read/readahead.ts'
import type { Uploader } from '../upload/uploader.ts'

export interface WaitResolverParts {
  settings: CacheSettings
  shared: SharedState
  uploads: UploadJournal
  space: Space
  checks: ChunkChecks
  committer: FileCommitter
  fetcher: Fetcher
  readahead: Readahead
  evictor: Evictor
  uploader: Uploader
  progress: ConditionVariable
  /** Undefined if the metadata store is on this node. */
  remote: RemoteMetadata | undefined
  /** Undefined if the metadata store is remote. */
  groups: GroupCommit | undefined
  pages: KernelPageDrops
}

/** Pages of files that the kernel has cached (volume/kernel/kernel-pages.ts). */
export interface KernelPageDrops {
  dropWritten(
    ino: number,
    range: { offset: number; length: number },
    isLocked: boolean,
  ): Promise<void>
  settled(ino: number): Promise<void>
}

interface RemoteOptions {
  /** Somebody waits for the durability of the directory. */
  patient?: boolean
  signal?: AbortSignal | undefined
}

/** Wait conditions that only a remote metadata store can resolve. */
export interface RemoteMetadata {
  lease(ino: number, signal?: AbortSignal): Promise<void>
  writing(ino: number): Promise<void>
  left(ino: number): Promise<void>
  commit(ino: number, release: boolean, options?: RemoteOptions): Promise<void>
  /** False: too few nodes accepted a replica of the committed content. */
  copy(ino: number, copies: number, options?: RemoteOptions): Promise<boolean>
  perform(
    condition: WaitCondition & { kind: 'operation' },
    signal?: AbortSignal,
  ): Promise<WaitResult>
  trusted(signal?: AbortSignal): Promise<void>
}

export class WaitResolver {
  readonly #parts: WaitResolverParts
  /** Inodes whose early commit on the remote metadata store is under way. */
  readonly #early = new Set<number>()

  constructor(parts: WaitResolverParts) {
    this.#parts = parts
  }

  /** Resolves when the operation may be resumed. */
  async resolveWait(
    condition: WaitCondition,
    signal?: AbortSignal,
  ): Promise<WaitResult | undefined> {
    const { uploader } = this.#parts
    switch (condition.kind) {
      case 'chunks':
        await this.#fetch(condition, signal)
        break
      case 'bytes':
        return await this.#bytes(condition, signal)
      case 'space':
        await uploader.hurried(() => this.#space(condition.bytes, signal))
        break
      case 'unsynced':
        await uploader.hurried(() => this.#unsynced(condition.bytes, signal))
        break
      case 'durable':
        await this.durable(condition.ino, signal)
        break
      case 'copies':
        await this.#copies(condition, signal)
        break
      case 'pages':
        await this.#parts.pages.dropWritten(condition.ino, condition, condition.isLocked)
        return PAGES_DROPPED.of(condition.ino)
      case 'cut':
        while (this.#parts.shared.cuts.isPending(condition.ino)) {
          await delay(cacheLimits.pageDropLookMs, undefined, { signal })
        }
        break
      case 'attributes':
        await this.#parts.pages.settled(condition.ino)
        return ATTRIBUTES_SETTLED.of(condition.ino)
      case 'lease':
        await this.#parts.remote?.lease(condition.ino, signal)
        break
      case 'writing':
        await this.#parts.remote?.writing(condition.ino)
        return WRITER_LISTED.of(condition.ino)
      case 'left':
        await this.#parts.remote?.left(condition.ino)
        return WRITER_UNLISTED.of(condition.ino)
      case 'commit':
        await this.#parts.remote?.commit(condition.ino, condition.release, {
          patient: true,
          signal,
        })
        return COMMITTED.of(condition.ino)
      case 'operation':
        return await this.#parts.remote?.perform(condition, signal)
      case 'written':
        return WRITTEN.of(condition.ino)
      case 'verify':
        await this.#parts.checks.verifyFile(condition.ino)
        break
      case 'trust':
        await this.#parts.remote?.trusted(signal)
        break
      case 'main':
    }
    return undefined
  }

  async #fetch(condition: WaitCondition & { kind: 'chunks' }, signal?: AbortSignal): Promise<void> {
    const { fetcher, readahead } = this.#parts
    if (condition.reading) readahead.seen(condition.ino, condition.last)
    await this.#loosen(signal)
    await fetcher.fetch(condition.ino, condition.first, condition.last, signal)
  }

  /** Fetches the chunk, or at first only the requested bytes of it. */
  async #bytes(
    { ino, offset, length }: WaitCondition & { kind: 'bytes' },
    signal?: AbortSignal,
  ): Promise<WaitResult | undefined> {
    const { fetcher, readahead } = this.#parts
    const { chunkSize } = this.#parts.settings
    const index = Math.floor(offset / chunkSize)
    const follows = readahead.seen(ino, index, offset - index * chunkSize)
    // A sequential reader needs the whole chunk, which other nodes fetch for all.
    if (!follows || fetcher.nodes === 1) {
      const reading = fetcher.readRange(ino, offset, length, signal)
      if (follows) readahead.fetch(ino, index)
      const value = await reading
      if (value) return BYTES_FETCHED.of(chunkSubject(ino, index), value)
    }
    await this.#loosen(signal)
    await fetcher.fetch(ino, index, index, signal)
    return undefined
  }

  /** Waits until enough of the cache can be evicted, while uploads succeed. */
  async #loosen(signal?: AbortSignal): Promise<void> {
    const { space, uploader, progress } = this.#parts
    if (!space.isTight()) return
    const mayHelp = (): boolean => {
      this.#commitEarly()
      return uploader.failure === undefined && this.#parts.uploads.oldestMs() !== null
    }
    await uploader.hurried(async () => {
      while (space.isTight() && mayHelp()) await progress.next(signal)
    })
  }

  async #space(bytes: number, signal?: AbortSignal): Promise<void> {
    const { evictor, progress, uploader } = this.#parts
    await this.#loosen(signal)
    let seen = uploader.uploadedChunks
    let until = Date.now() + cacheLimits.spaceWaitMs
    while (!(await evictor.makeRoom(bytes))) {
      this.#commitEarly()
      if (uploader.uploadedChunks !== seen) {
        seen = uploader.uploadedChunks
        until = Date.now() + cacheLimits.spaceWaitMs
      }
      const idle = this.#parts.uploads.oldestMs() === null
      if (idle && (await evictor.makeRoom(bytes))) return
      if (idle || Date.now() > until) throw this.#noSpace(idle)
      await progress.next(signal)
    }
  }

  #noSpace(idle: boolean): FsError {
    const { directory } = this.#parts.settings
    const why = idle ? 'nothing in it can be evicted' : 'the cloud takes nothing that is in it'
    const text = `the cache ${directory} is full, and ${why}: free space or raise -nvme-capacity`
    return new FsError('ENOSPC', text, { path: directory })
  }

  async #unsynced(bytes: number, signal?: AbortSignal): Promise<void> {
    const { space, progress } = this.#parts
    while (!space.mayPend(bytes) || space.isOverdue()) {
      this.#commitEarly()
      await progress.next(signal)
    }
  }

  /** Resolves when the cloud has the committed content of an inode. */
  async durable(ino: number, signal?: AbortSignal): Promise<void> {
    const { progress, uploader } = this.#parts
    const isDurable = (): boolean => !this.#parts.uploads.has(ino)
    await uploader.hurried(() => progress.until(isDurable, signal))
  }

  /** One commit at a time for each file. A failed one is repeated while room is needed. */
  #commitElsewhere(remote: RemoteMetadata, ino: number): void {
    this.#early.add(ino)
    const done = (): void => {
      this.#early.delete(ino)
      this.#parts.progress.announce()
    }
    remote.commit(ino, false).then(done, done)
  }

  /**
   * Resolves when enough other nodes have replicas of the committed content, or the cloud has it.
   */
  async #copies(
    { ino, copies }: WaitCondition & { kind: 'copies' },
    signal?: AbortSignal,
  ): Promise<void> {
    const { remote, uploader, progress } = this.#parts
    if (await remote?.copy(ino, copies, { patient: true, signal })) return
    let until = Date.now() + cacheLimits.copiesCloudWaitMs
    await uploader.hurried(async () => {
      while (this.#parts.uploads.has(ino)) {
        if (uploader.failure === undefined) until = Date.now() + cacheLimits.copiesCloudWaitMs
        else if (Date.now() > until) throw tooFewCopies(copies, uploader.failure.reason)
        await progress.next(signal)
      }
    })
  }

  #commitEarly(): void {
    const { committer, remote, groups } = this.#parts
    groups?.expedite()
    // Files under passthrough writes cannot be evicted until these end.
    const kept = new Set(this.#parts.shared.passthroughWritten())
    for (const ino of this.#parts.shared.dirtyInodes()) {
      if (kept.has(ino)) continue
      if (!remote) committer.commit(ino)
      else if (!this.#early.has(ino)) this.#commitElsewhere(remote, ino)
    }
  }
}

function tooFewCopies(copies: number, reason: string): FsError {
  const wanted = copies === 1 ? 'no other node' : `fewer than ${copies} other nodes`
  const kept = 'it stays on this node, which goes on trying'
  return new FsError('EIO', `${wanted} took a copy, and the cloud takes none (${reason}): ${kept}`)
}

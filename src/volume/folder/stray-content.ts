/**
 * Removes content from the cache that does not belong to the committed names: names from an older
 * backup replaced those of this node, or the node database was lost and with it the record of what
 * was written. Such content would be served as that of another version or another file. The backing
 * files are moved to `conflicts/`, named for their files. Runs alone, before recovery.
 */
import { renameSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '../../base/log/logger.ts'
import { makePrivateFolder } from '../../base/private-folder.ts'
import { CLEAN, DIRTY, type LocalChunk } from '../../cache/state/chunk-table.ts'
import type { WrittenInode } from '../../cache/state/open-table.ts'
import { cacheLimits } from '../../cache/limits.ts'
import { listChunks, type ChunkReference } from '../../metadata/chunk-rules.ts'
import { findInode } from '../../metadata/inode-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { pathOf } from '../../metadata/pending-upload-rules.ts'
import { lastNumber } from '../../metadata/volume-rules.ts'
import { volumeLimits } from '../limits.ts'
import type { VolumeThread } from '../volume-thread.ts'

export interface StrayContentParts {
  thread: VolumeThread
  /** The names that this node had before; undefined: they are lost. */
  before: Pick<MetadataEngine, 'read'> | undefined
  /** Uncommitted writes; those that are moved away are removed from it. */
  written: Map<number, WrittenInode>
  logger: Logger
}

export class StrayContent {
  readonly #parts: StrayContentParts
  readonly #folder: string
  #kept = 0

  constructor(parts: StrayContentParts) {
    this.#parts = parts
    this.#folder = join(parts.thread.cache.settings.directory, 'conflicts')
  }

  /**
   * Call when the names were restored. Afterwards each chunk on this node is the one that the names
   * refer to, or belongs to a file whose committed content is the same in the old and new names.
   */
  takeOut(): void {
    const { written } = this.#parts
    const { uncommitted, chunks } = this.#parts.thread.cache
    this.#each((after, limit) => chunks.inodesAfter(after, limit))
    this.#each((after, limit) => uncommitted.after(after, limit).map(({ ino }) => ino))
    for (const ino of [...written.keys()]) this.#settle(ino)
    this.#countUnnamed()
  }

  /**
   * Call when the node database is new: which chunks of a file were written and not committed is
   * not known any more, unless all were.
   */
  takeOutWritten(): void {
    for (const [ino, { fresh, dirty }] of [...this.#parts.written]) {
      if (dirty && !fresh) this.#remove(ino, [])
    }
    this.#countUnnamed()
  }

  #countUnnamed(): void {
    const more = this.#kept - volumeLimits.namedFiles
    if (more > 0) this.#parts.logger.error(`${more} more files were moved to ${this.#folder}`)
  }

  #each(page: (after: number, limit: number) => number[]): void {
    for (let after = 0; ;) {
      const inos = page(after, cacheLimits.replicaPage)
      for (const ino of inos) this.#settle(ino)
      const last = inos.at(-1)
      if (last === undefined) return
      after = last
    }
  }

  #settle(ino: number): void {
    const rows = this.#parts.thread.cache.chunks.from(ino, 0, Number.MAX_SAFE_INTEGER)
    this.#skipNumbers(ino, rows)
    if (!this.#isNamed(ino, rows)) this.#remove(ino, rows)
  }

  #remove(ino: number, rows: readonly LocalChunk[]): void {
    const { cache, committer } = this.#parts.thread
    const { shared } = cache
    this.#keep(ino, rows)
    this.#parts.written.delete(ino)
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      // Programs that have it open may not mistake the committed content for what they wrote.
      if (open) open.epoch += 1
      committer.forgetLocked(ino)
    })
  }

  /** Numbers that this node has content of are not given to other content. */
  #skipNumbers(ino: number, rows: readonly LocalChunk[]): void {
    const { engine } = this.#parts.thread
    if (engine.isReplica) return
    const id = rows.reduce((most, row) => Math.max(most, row.id), 0)
    for (const [counter, number] of [['inode', ino] as const, ['chunk', id] as const]) {
      const last = engine.read(lastNumber(counter))
      if (number > last) engine.write('reserveNumbers', counter, number - last)
    }
  }

  /** Whether the names refer to what this node has of a file. */
  #isNamed(ino: number, rows: readonly LocalChunk[]): boolean {
    const { cache } = this.#parts.thread
    const isAhead = cache.uncommitted.find(ino) !== undefined || this.#parts.written.has(ino)
    const isDirty = isAhead || rows.some(({ state }) => state === DIRTY)
    if (!cache.index.exists(ino) || (isDirty && !this.#isUnchanged(ino))) return false
    return rows.every((row) => {
      if (row.state === DIRTY || (row.state === CLEAN && row.id === 0)) return true
      const reference = cache.index.find(ino, row.index)
      return reference?.id === row.id && reference.length === row.length
    })
  }

  /** Whether the committed content is the same as before. */
  #isUnchanged(ino: number): boolean {
    const { before, thread } = this.#parts
    if (before === undefined) return false
    const [old, now] = [before.read(findInode(ino)), thread.engine.read(findInode(ino))]
    if (old?.version !== now?.version || old?.size !== now?.size) return false
    for (let index = 0; ;) {
      const page = (from: Pick<MetadataEngine, 'read'>): readonly ChunkReference[] =>
        from.read(listChunks(ino, index, cacheLimits.replicaPage))
      const [was, is] = [page(before), page(thread.engine)]
      if (was.length !== is.length || was.some(({ id }, at) => id !== is[at]?.id)) return false
      const last = is.at(-1)
      if (last === undefined) return true
      index = last.index + 1
    }
  }

  #keep(ino: number, rows: readonly LocalChunk[]): void {
    const { before, thread, logger, written } = this.#parts
    const { files, uncommitted, settings } = thread.cache
    const names = before ?? thread.engine
    const path = names.read(pathOf(ino))
    const bytes = files.stat(ino)?.size ?? 0
    if (bytes === 0) return
    const name = path?.split('/').at(-1)!.slice(0, volumeLimits.keptNameLength) ?? 'unnamed'
    makePrivateFolder(this.#folder)
    const kept = join(this.#folder, `${ino}-${Date.now()}-${name}`)
    const last = rows.at(-1)
    const end = last === undefined ? bytes : last.index * settings.chunkSize + last.length
    const row = before?.read(findInode(ino))
    const size = written.get(ino)?.size ?? uncommitted.find(ino)?.size ?? row?.size ?? end
    renameSync(files.path(ino), kept)
    if (size > 0 && size < bytes) truncateSync(kept, size)
    this.#kept += 1
    if (this.#kept > volumeLimits.namedFiles) return
    const what = path === undefined ? `inode ${ino}, which has no name` : path
    logger.error(`${what}: content that is not part of it is kept in ${kept}`)
  }
}

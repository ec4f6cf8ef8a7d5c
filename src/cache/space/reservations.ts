/**
 * Space reserved by fallocate(2): blocks of the backing file without content. It counts as used, as
 * clean chunks without an id. These are never evicted; a truncate or the deletion of the file
 * removes them. All functions are called under the lock of the inode.
 */
import { FsError } from '../../base/fs-error.ts'
import { CLEAN } from '../state/chunk-table.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'

const BLOCK_BYTES = 512

export interface ReservationsParts {
  settings: CacheSettings
  shared: SharedState
  index: ChunkIndex
  database: Transactions
  chunks: ChunkTable
  files: BackingFiles
}

export class Reservations {
  readonly #parts: ReservationsParts

  constructor(parts: ReservationsParts) {
    this.#parts = parts
  }

  /** Bytes that a reservation may add; ENOSPC if no eviction could make enough room. */
  unreserved(ino: number, length: number): number {
    const { files, settings } = this.#parts
    const bytes = Math.max(0, length - (files.stat(ino)?.blocks ?? 0) * BLOCK_BYTES)
    const { directory, capacityBytes } = settings
    if (bytes <= capacityBytes) return bytes
    const text = `${bytes} bytes are more than the cache ${directory} may hold (${capacityBytes})`
    throw new FsError('ENOSPC', `${text}: raise -nvme-capacity`, { path: directory })
  }

  /** Counts reserved space, except in chunks with content, whose rows count the bytes. */
  count(ino: number, offset: number, end: number): void {
    const { database, chunks, index, settings, shared } = this.#parts
    // With a remote metadata store, a chunk without a reference counts as replaced by another node.
    if (index.isRemote) return
    const { chunkSize } = settings
    database.transaction(() => {
      for (let at = Math.floor(offset / chunkSize); at * chunkSize < end; at++) {
        if (chunks.find(ino, at) ?? index.find(ino, at)) continue
        const length = Math.min(end, (at + 1) * chunkSize) - Math.max(offset, at * chunkSize)
        const accessed = Number.MAX_SAFE_INTEGER
        chunks.put(ino, { index: at, state: CLEAN, id: 0, length, accessed })
        shared.occupy(length)
      }
    })
    shared.bumpChunks(ino)
  }

  /** Whether the chunk has blocks and no content. */
  isReserved(ino: number, index: number): boolean {
    const { chunks } = this.#parts
    const row = chunks.find(ino, index)
    return row?.state === CLEAN && row.id === 0
  }
}

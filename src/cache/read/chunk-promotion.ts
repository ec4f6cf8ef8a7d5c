/**
 * Promotion: puts the bytes of a committed chunk into the cache, from any source. A chunk that is
 * already present, or was written, cut or committed again in the meantime, is not changed.
 */
import { crc32 } from 'node:zlib'
import type { CommittedChunk } from '../state/chunk-index.ts'
import { CLEAN } from '../state/chunk-table.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { CurrentContent } from '../state/current-content.ts'
import type { LostChunks } from '../checks/lost-chunks.ts'

export interface ChunkPromotionParts {
  settings: CacheSettings
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  files: BackingFiles
  content: CurrentContent
  lost: LostChunks
}

export class ChunkPromotion {
  readonly #parts: ChunkPromotionParts

  constructor(parts: ChunkPromotionParts) {
    this.#parts = parts
  }

  /** `accessed`: as in LocalChunk. False: the chunk was not needed any more. */
  promote(
    ino: number,
    { index, id }: Pick<CommittedChunk, 'index' | 'id'>,
    data: Buffer,
    accessed: number,
  ): boolean {
    const { shared, database, chunks, files, settings } = this.#parts
    return shared.withInode(ino, () => {
      if (chunks.find(ino, index)) return false
      const current = this.#parts.content.reference(ino, index)
      if (current?.id !== id || data.length < current.length) return false
      this.#parts.lost.settleShort(ino)
      const start = index * settings.chunkSize
      const kept = data.subarray(0, current.length)
      files.write(ino, kept, start)
      const rest = settings.chunkSize - current.length
      if (rest > 0 && files.isPassthrough(ino)) files.punch(ino, start + current.length, rest)
      const row = { index, state: CLEAN, id, length: current.length, accessed }
      database.transaction(() => {
        chunks.put(ino, row)
        // The checksum of the object is not that of its part.
        if (current.length < current.objectLength) chunks.setCrc(ino, index, crc32(kept))
      })
      shared.occupy(current.length)
      return true
    })
  }
}

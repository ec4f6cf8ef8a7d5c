/**
 * Removes bytes of backing files that belong to no content any more. In a file that the kernel
 * reads, or that programs may have mapped, they stay until the next content replaces them. Call
 * everything under the lock of the inode.
 */
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { ChunkTable } from '../state/chunk-table.ts'

export interface VoidBytesParts {
  settings: CacheSettings
  files: BackingFiles
  index: ChunkIndex
  chunks: ChunkTable
}

export class VoidBytes {
  readonly #parts: VoidBytesParts

  constructor(parts: VoidBytesParts) {
    this.#parts = parts
  }

  /** Removes the bytes of a chunk. */
  drop(ino: number, at: number): void {
    const { files, index, settings } = this.#parts
    if (files.isPassthrough(ino) && index.find(ino, at)) return
    files.punch(ino, at * settings.chunkSize, settings.chunkSize)
  }

  /** Removes bytes that `drop` left and that belong to no chunk. */
  closeGaps(ino: number): void {
    const { chunks, files, index, settings } = this.#parts
    if (!files.isPassthrough(ino)) return
    const count = Math.ceil((files.stat(ino)?.size ?? 0) / settings.chunkSize)
    for (let at = 0; at < count; at++) {
      const isUsed = index.find(ino, at) ?? chunks.find(ino, at)
      if (!isUsed) files.punch(ino, at * settings.chunkSize, settings.chunkSize)
    }
  }
}

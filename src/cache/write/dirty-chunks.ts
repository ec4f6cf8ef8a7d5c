/**
 * Which chunks of an inode differ from the committed content. The answer has three sources, by
 * write state and writers (cache/state/write-state.ts): the chunk table has a row for each chunk
 * that this process wrote; a new file with one chunk has no row yet; and chunks that the kernel
 * wrote are found by comparison (cache/passthrough/untracked-writes.ts). Changes by mmap writes get
 * rows when they are found (cache/passthrough/mmap-writes.ts).
 */
import type { UntrackedWrites } from '../passthrough/untracked-writes.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import { DIRTY, type ChunkTable, type LocalChunk } from '../state/chunk-table.ts'
import type { OpenInode } from '../state/open-inode.ts'

export interface DirtyChunksParts {
  settings: CacheSettings
  chunks: ChunkTable
  untracked: UntrackedWrites
}

/** Rows of the dirty chunks, in the order of the file. Call under the lock of the inode. */
export function dirtyChunks(parts: DirtyChunksParts, ino: number, open: OpenInode): LocalChunk[] {
  if (!open.dirty) return []
  const isOneChunk = open.fresh && open.size <= parts.settings.chunkSize
  if (isOneChunk) return [newRow(0)]
  const rows = parts.chunks.dirty(ino)
  if (!open.passthroughWrites) return rows
  const changed = parts.untracked.changed(ino, open)
  const added = changed.map(({ index, row }) => row ?? newRow(index))
  return [...rows, ...added].sort((a, b) => a.index - b.index)
}

/** Row of a chunk that the database lacks; its bytes were counted as growth. */
function newRow(index: number): LocalChunk {
  return { index, state: DIRTY, id: 0, length: 0, accessed: 0 }
}

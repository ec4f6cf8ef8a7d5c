/**
 * Space reserved by fallocate(2): blocks of the backing file without content. It counts as used, as
 * clean chunks without an id. These are never evicted; a truncate or the deletion of the file
 * removes them. All functions are called under the lock of the inode.
 */
import { FsError } from '../../base/fs-error.ts'
import { CLEAN } from '../state/chunk-table.ts'
import type { NodeCache } from '../state/node-cache.ts'

const BLOCK_BYTES = 512

/** Bytes that a reservation may add; ENOSPC if no eviction could make enough room. */
export function unreserved({ files, settings }: NodeCache, ino: number, length: number): number {
  const bytes = Math.max(0, length - (files.stat(ino)?.blocks ?? 0) * BLOCK_BYTES)
  const { directory, capacityBytes } = settings
  if (bytes <= capacityBytes) return bytes
  const text = `${bytes} bytes are more than the cache ${directory} may hold (${capacityBytes})`
  throw new FsError('ENOSPC', `${text}: raise -nvme-capacity`, { path: directory })
}

/** Counts reserved space, except in chunks with content, whose rows count the bytes. */
export function countReserved(cache: NodeCache, ino: number, offset: number, end: number): void {
  const { database, chunks, index, settings, shared } = cache
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
export function isReserved({ chunks }: NodeCache, ino: number, index: number): boolean {
  const row = chunks.find(ino, index)
  return row?.state === CLEAN && row.id === 0
}

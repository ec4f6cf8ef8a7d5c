/**
 * Promotion: puts the bytes of a committed chunk into the cache, from any source. A chunk that is
 * already present, or was written, cut or committed again in the meantime, is not changed.
 */
import { crc32 } from 'node:zlib'
import type { CommittedChunk } from '../state/chunk-index.ts'
import { validReference } from './file-reader.ts'
import { settleShort } from '../checks/lost-chunks.ts'
import { CLEAN } from '../state/chunk-table.ts'
import type { NodeCache } from '../state/node-cache.ts'

/** `accessed`: as in LocalChunk. False: the chunk was not needed any more. */
export function promoteChunk(
  cache: NodeCache,
  ino: number,
  { index, id }: Pick<CommittedChunk, 'index' | 'id'>,
  data: Buffer,
  accessed: number,
): boolean {
  const { shared, database, chunks, files, settings } = cache
  return shared.withInode(ino, () => {
    if (chunks.find(ino, index)) return false
    const current = validReference(cache, ino, index)
    if (current?.id !== id || data.length < current.length) return false
    settleShort(cache, ino)
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

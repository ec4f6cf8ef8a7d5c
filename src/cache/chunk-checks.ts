/**
 * Bytes in the cache compared with the CRC-32 that the metadata has of them. A clean chunk that is
 * another, or cannot be compared, leaves the cache: it comes from the cloud again.
 */
import { crc32 } from 'node:zlib'
import { giveUpChunks, settleShort } from './lost-chunks.ts'
import { CLEAN, type LocalChunk } from './node-database.ts'
import type { NodeCache } from './node-cache.ts'

/** The cache has the chunk as the cloud has it, and whole; under the inode's lock. */
export function isIntact(cache: NodeCache, ino: number, row: LocalChunk): boolean {
  const { files, index, settings } = cache
  const wanted = index.find(ino, row.index)
  if (wanted?.id !== row.id || wanted.length !== wanted.objectLength) return false
  const data = Buffer.allocUnsafe(wanted.length)
  const read = files.read(ino, data, row.index * settings.chunkSize)
  return read === data.length && crc32(data) === wanted.crc
}

/** A backing file is not as it was left: what it lacks, and what in it is another. Main thread. */
export async function verifyFile(cache: NodeCache, ino: number): Promise<void> {
  const { shared, database } = cache
  shared.withInode(ino, () => {
    // Whoever has the file open that was there before must not go on with it.
    shared.bumpFile(ino)
    settleShort(cache, ino)
  })
  for (let from = 0; ;) {
    const row = database.chunksFrom(ino, from, 1)[0]
    if (row === undefined) return
    shared.withInode(ino, () => verifyChunk(cache, ino, row.index))
    from = row.index + 1
    // Others have their turn.
    await new Promise(setImmediate)
  }
}

function verifyChunk(cache: NodeCache, ino: number, index: number): void {
  const row = cache.database.chunk(ino, index)
  if (row?.state !== CLEAN || row.id === 0 || isIntact(cache, ino, row)) return
  giveUpChunks(cache, ino, [row], 'their bytes are others than those that were stored')
}

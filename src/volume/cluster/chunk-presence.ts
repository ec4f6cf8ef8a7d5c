/** Whether this node has the bytes of a chunk that the cloud does not have yet. */
import type { NodeCache } from '../../cache/state/node-cache.ts'

/** A content of a chunk of a file. */
interface NamedChunk {
  ino: number
  index: number
  id: number
}

/** In its journal, or as a copy for another node: not what only the cache has, which may go. */
export function hasChunk({ database }: NodeCache, { ino, index, id }: NamedChunk): boolean {
  return (
    database.upload(ino, index)?.id === id ||
    database.chunkReplica(id) !== undefined ||
    database.supersededOf(ino).some((upload) => upload.id === id)
  )
}

/**
 * Whether this node has the bytes of a chunk that is not durable.
 */
import type { ReplicaTable } from '../../cache/replicas/replica-table.ts'
import type { UploadJournal } from '../../cache/upload/upload-journal.ts'

/** One content of a chunk of a file. */
interface NamedChunk {
  ino: number
  index: number
  id: number
}

/**
 * True if the chunk is in the upload journal or a replica for another node. A chunk that is only in
 * the cache does not count: it may be evicted.
 */
export function hasChunk(
  { uploads, replicaTable }: { uploads: UploadJournal; replicaTable: ReplicaTable },
  { ino, index, id }: NamedChunk,
): boolean {
  return (
    uploads.find(ino, index)?.id === id ||
    replicaTable.find(id) !== undefined ||
    uploads.supersededOf(ino).some((upload) => upload.id === id)
  )
}

/**
 * The end of files whose inodes are gone: what the node's database has of them, and their bytes.
 * Like commits, many can go in one transaction (group-commit.ts), and inode numbers are never used
 * again: what a crash leaves behind harms nobody, and recovery looks for it.
 */
import { removePreImages } from './pre-images.ts'
import type { NodeCache } from '../state/node-cache.ts'

interface Forgotten {
  ino: number
  used: number
  unsynced: number
  /** Set-aside files that its uploads read. */
  sources: string[]
}

/** Takes them out of the database, as one transaction, and their bytes; under their locks. */
export function deleteFiles(cache: NodeCache, inodes: readonly number[]): void {
  const { database, shared, files } = cache
  if (inodes.length === 0) return
  const forgotten = database.transaction(() => inodes.map((ino) => forgetRows(cache, ino)))
  for (const { ino, used, unsynced } of forgotten) {
    shared.add('usedBytes', -used)
    shared.add('unsyncedBytes', -unsynced)
    shared.bumpChunks(ino)
    files.remove(ino)
    shared.bumpFile(ino)
  }
  removePreImages(
    database,
    files,
    forgotten.flatMap(({ sources }) => sources),
  )
}

function forgetRows({ database, shared }: NodeCache, ino: number): Forgotten {
  const { used, unsynced, chunks } = database.sumFrom(ino, 0)
  const [uploads, superseded] = [database.uploadsOf(ino, 0), database.supersededOf(ino)]
  if (chunks > 0) database.deleteChunksFrom(ino, 0)
  for (const { seq } of uploads) database.deleteUpload(seq)
  for (const { seq } of superseded) database.deleteSuperseded(seq)
  if (database.uncommitted(ino)) database.deleteUncommitted(ino)
  if (shared.counter('lostChunks') > 0) database.deleteLostFrom(ino, 0)
  const sources = [...uploads, ...superseded].flatMap(({ source }) => source ?? [])
  return { ino, used, unsynced, sources }
}

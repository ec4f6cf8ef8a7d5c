/**
 * Deletes the rows and bytes of files whose inodes were deleted. Like commits, many can share one
 * transaction (group-commit.ts). Inode numbers are never reused, so rows and files that a crash
 * leaves behind do no harm; recovery removes them.
 */
import { removePreImages } from './pre-images.ts'
import type { NodeCache } from '../state/node-cache.ts'

interface Forgotten {
  ino: number
  used: number
  unsynced: number
  /** Pre-images that its uploads read. */
  sources: string[]
}

/** Deletes the rows of inodes in one transaction, and then their bytes. Call under their locks. */
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

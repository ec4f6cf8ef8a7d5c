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
  const { database, uploads, shared, files } = cache
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
    uploads,
    files,
    forgotten.flatMap(({ sources }) => sources),
  )
}

function forgetRows(cache: NodeCache, ino: number): Forgotten {
  const { chunks, uploads, uncommitted, lostTable, shared } = cache
  const { used, unsynced, chunks: count } = chunks.sumFrom(ino, 0)
  const [journaled, superseded] = [uploads.of(ino, 0), uploads.supersededOf(ino)]
  if (count > 0) chunks.deleteFrom(ino, 0)
  for (const { seq } of journaled) uploads.delete(seq)
  for (const { seq } of superseded) uploads.deleteSuperseded(seq)
  if (uncommitted.find(ino)) uncommitted.delete(ino)
  if (shared.counter('lostChunks') > 0) lostTable.deleteFrom(ino, 0)
  const sources = [...journaled, ...superseded].flatMap(({ source }) => source ?? [])
  return { ino, used, unsynced, sources }
}

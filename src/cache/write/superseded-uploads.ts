/**
 * Uploads that a commit has replaced in the journal before the metadata had that commit. Until then
 * the previous version is the acknowledged one: this node is listed as having it, and if the commit
 * is refused (another node was faster) parts of it stay the content of the file.
 *
 * Invariant: a chunk that the metadata refers to, and that only this node has, is in the upload
 * journal or in this table.
 */
import { removePreImages } from './pre-images.ts'
import type { NodeCache } from '../state/node-cache.ts'
import type { Upload } from '../upload/upload-journal.ts'

/** The metadata has the commit that replaced them. */
export function dropSuperseded({ database, uploads, files }: NodeCache, ino: number): void {
  const superseded = uploads.supersededOf(ino)
  if (superseded.length === 0) return
  database.transaction(() => {
    for (const { seq } of superseded) uploads.deleteSuperseded(seq)
  })
  removePreImages(uploads, files, superseded.flatMap(sourceOf))
}

/**
 * The commit does not exist any more: reinstates uploads that the metadata refers to, and drops the
 * others.
 */
export function settleSuperseded(cache: NodeCache, ino: number): void {
  const { database, uploads, files } = cache
  const superseded = uploads.supersededOf(ino)
  if (superseded.length === 0) return
  const dropped: string[] = []
  database.transaction(() => {
    for (const upload of superseded) dropped.push(...settle(cache, upload))
  })
  removePreImages(uploads, files, dropped)
}

/** Returns the pre-images that are no longer needed. */
function settle({ uploads, index, shared }: NodeCache, upload: Upload): string[] {
  const { ino, seq, id } = upload
  const reference = index.find(ino, upload.index)
  if (reference?.id !== id || reference.durable) {
    uploads.deleteSuperseded(seq)
    return sourceOf(upload)
  }
  // The chunk of the refused commit; a later commit takes it again.
  const refused = uploads.find(ino, upload.index)
  if (refused) uploads.delete(refused.seq)
  uploads.reinstate(seq)
  shared.announceCommit()
  return refused ? sourceOf(refused) : []
}

function sourceOf({ source }: Upload): string[] {
  return source === null ? [] : [source]
}

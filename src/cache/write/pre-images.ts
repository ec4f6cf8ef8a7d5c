/**
 * Pre-images: copies of pending chunks that are about to be overwritten, or may be. A pre-image is
 * removed when no upload reads it any more.
 */
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { NodeCache } from '../state/node-cache.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'

/**
 * Saves a committed chunk for its upload before it is overwritten. Call under the lock of the
 * inode.
 */
export function savePreImage(
  { database, uploads, files, settings }: NodeCache,
  ino: number,
  { index, length }: { index: number; length: number },
): void {
  const upload = uploads.find(ino, index)
  if (upload === undefined || upload.source !== null) return
  const name = `chunk-${upload.id}`
  files.savePreImage(ino, index * settings.chunkSize, length, name)
  database.transaction(() => {
    uploads.setSource(upload.seq, name, 0)
  })
}

export function removePreImages(
  uploads: UploadJournal,
  files: BackingFiles,
  names: readonly string[],
): void {
  for (const name of new Set(names)) if (!uploads.isSource(name)) files.removePreImage(name)
}

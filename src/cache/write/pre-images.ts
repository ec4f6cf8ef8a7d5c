/**
 * Pre-images: copies of pending chunks that are about to be overwritten, or may be. A pre-image is
 * removed when no upload reads it any more.
 */
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { Transactions } from '../state/node-database.ts'
import type { UploadJournal } from '../upload/upload-journal.ts'

export interface PreImagesParts {
  settings: CacheSettings
  database: Transactions
  uploads: UploadJournal
  files: BackingFiles
}

export class PreImages {
  readonly #parts: PreImagesParts

  constructor(parts: PreImagesParts) {
    this.#parts = parts
  }

  /**
   * Saves a committed chunk for its upload before it is overwritten. Call under the lock of the
   * inode.
   */
  save(ino: number, { index, length }: { index: number; length: number }): void {
    const { database, uploads, files, settings } = this.#parts
    const upload = uploads.find(ino, index)
    if (upload === undefined || upload.source !== null) return
    const name = `chunk-${upload.id}`
    files.savePreImage(ino, index * settings.chunkSize, length, name)
    database.transaction(() => {
      uploads.setSource(upload.seq, name, 0)
    })
  }

  /** Removes those that no upload reads. */
  removeUnused(names: readonly string[]): void {
    const { uploads, files } = this.#parts
    for (const name of new Set(names)) if (!uploads.isSource(name)) files.removePreImage(name)
  }
}

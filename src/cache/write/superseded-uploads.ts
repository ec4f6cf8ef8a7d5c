/**
 * Uploads that a commit has replaced in the journal before the metadata had that commit. Until then
 * the previous version is the acknowledged one: this node is listed as having it, and if the commit
 * is refused (another node was faster) parts of it stay the content of the file.
 *
 * Invariant: a chunk that the metadata refers to, and that only this node has, is in the upload
 * journal or in this table.
 */
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { Transactions } from '../state/node-database.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Upload, UploadJournal } from '../upload/upload-journal.ts'
import type { PreImages } from './pre-images.ts'

export interface SupersededUploadsParts {
  database: Transactions
  uploads: UploadJournal
  preImages: PreImages
  index: ChunkIndex
  shared: SharedState
}

export class SupersededUploads {
  readonly #parts: SupersededUploadsParts

  constructor(parts: SupersededUploadsParts) {
    this.#parts = parts
  }

  /** The metadata has the commit that replaced them. */
  drop(ino: number): void {
    const { database, uploads, preImages } = this.#parts
    const superseded = uploads.supersededOf(ino)
    if (superseded.length === 0) return
    database.transaction(() => {
      for (const { seq } of superseded) uploads.deleteSuperseded(seq)
    })
    preImages.removeUnused(superseded.flatMap(sourceOf))
  }

  /**
   * The commit does not exist any more: reinstates uploads that the metadata refers to, and drops
   * the others.
   */
  settle(ino: number): void {
    const { database, uploads, preImages } = this.#parts
    const superseded = uploads.supersededOf(ino)
    if (superseded.length === 0) return
    const dropped: string[] = []
    database.transaction(() => {
      for (const upload of superseded) dropped.push(...this.#settle(upload))
    })
    preImages.removeUnused(dropped)
  }

  /** Returns the pre-images that are no longer needed. */
  #settle(upload: Upload): string[] {
    const { uploads, index, shared } = this.#parts
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
}

function sourceOf({ source }: Upload): string[] {
  return source === null ? [] : [source]
}

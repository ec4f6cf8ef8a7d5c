/**
 * Deletes objects from the cloud that no file refers to any more: superseded, cut off, or of files
 * that were removed. The list is part of the metadata, so that a crash forgets none. Main thread.
 */
import { describe } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import { Semaphore } from '../base/async/semaphore.ts'
import { chunkKey } from '../cache/upload/object-key.ts'
import { volumeLimits } from './limits.ts'
import { listTrash } from '../metadata/chunk-rules.ts'
import type { MetadataEngine } from '../metadata/metadata-engine.ts'
import type { TierStorage } from '../tiers/tier-storage.ts'

/** Who has the list. */
export interface TrashStore {
  /** Forgets ids that are deleted. */
  empty(ids: number[]): void | Promise<void>
  /** No other node does it at present. */
  isOurs(): boolean
}

export class TrashCollector {
  readonly #engine: MetadataEngine
  readonly #cloud: TierStorage
  readonly #logger: Logger
  readonly #store: TrashStore
  #running: Promise<void> | undefined
  /** Objects deleted since the start. */
  deleted = 0

  constructor(engine: MetadataEngine, cloud: TierStorage, logger: Logger, store: TrashStore) {
    this.#engine = engine
    this.#cloud = cloud
    this.#logger = logger
    this.#store = store
  }

  /** Starts a round unless one is under way; never rejects. */
  collect(signal: AbortSignal): void {
    this.#running ??= this.#round(signal).finally(() => {
      this.#running = undefined
    })
  }

  async settled(): Promise<void> {
    await this.#running
  }

  async #round(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const batch = this.#engine.read(listTrash(volumeLimits.trashBatch))
        if (batch.length === 0 || signal.aborted || !this.#store.isOurs()) return
        const places = new Semaphore(volumeLimits.trashDeletes)
        const keys = batch.map(({ ino, index, id }) => chunkKey(ino, index, id))
        await Promise.all(
          keys.map((key) => places.run(() => this.#cloud.delete(key, { signal }), { signal })),
        )
        const ids = batch.map(({ id }) => id)
        await this.#store.empty(ids)
        this.deleted += batch.length
      }
    } catch (error) {
      if (signal.aborted) return
      this.#logger.debug(`deleting from ${this.#cloud.name}: ${describe(error)}; tried again later`)
    }
  }
}

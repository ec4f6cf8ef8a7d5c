/**
 * Deletes objects from the cloud that no file refers to any more: chunks that were superseded or
 * truncated, or whose files were removed. The list is part of the metadata, so a crash loses none
 * of it. Main thread.
 */
import { describe } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import { Semaphore } from '../base/async/semaphore.ts'
import { chunkKey } from '../cache/upload/object-key.ts'
import { volumeLimits } from './limits.ts'
import { listTrash } from '../metadata/chunk-rules.ts'
import type { MetadataEngine } from '../metadata/metadata-engine.ts'
import type { TierStorage } from '../tiers/tier-storage.ts'

/** The owner of the list of trash. */
export interface TrashStore {
  /** Removes the ids of deleted objects from the list. */
  empty(ids: number[]): void | Promise<void>
  /** Whether this node is the one that deletes trash now. */
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

  /** Starts a round unless one is in progress; never rejects. */
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

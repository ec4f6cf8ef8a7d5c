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

  /** An object that cannot be deleted is tried again in the next round, and stops no other. */
  async #round(signal: AbortSignal): Promise<void> {
    try {
      for (let after = 0; ;) {
        const batch = this.#engine.read(listTrash(after, volumeLimits.trashBatch))
        const last = batch.at(-1)
        if (last === undefined || signal.aborted || !this.#store.isOurs()) return
        after = last.id
        const { ids, failure } = await this.#delete(batch, signal)
        // With no success the cloud is away: the rest would fail too.
        if (ids.length === 0) throw failure
        await this.#store.empty(ids)
        this.deleted += ids.length
        if (failure !== undefined) this.#note(failure)
      }
    } catch (error) {
      if (!signal.aborted) this.#note(error)
    }
  }

  /** The ids of the deleted objects, and the first failure. */
  async #delete(
    batch: readonly { ino: number; index: number; id: number }[],
    signal: AbortSignal,
  ): Promise<{ ids: number[]; failure: unknown }> {
    const places = new Semaphore(volumeLimits.trashDeletes)
    const ids: number[] = []
    let failure: unknown
    const deleteOne = async ({ ino, index, id }: (typeof batch)[number]): Promise<void> => {
      try {
        const key = chunkKey(ino, index, id)
        await places.run(() => this.#cloud.delete(key, { signal }), { signal })
        ids.push(id)
      } catch (error) {
        failure ??= error
      }
    }
    await Promise.all(batch.map(deleteOne))
    return { ids, failure }
  }

  #note(error: unknown): void {
    this.#logger.debug(`deleting from ${this.#cloud.name}: ${describe(error)}; tried again later`)
  }
}

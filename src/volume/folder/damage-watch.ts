/**
 * Everything that detects and repairs damage on the disk of a node: computes missing checksums,
 * compares chunks with them, restores damaged chunks from the cloud, and logs lost chunks by name.
 * Main thread.
 */
import { ChunkReader } from '../../cache/read/chunk-reader.ts'
import { ChunkVerifier } from '../../cache/checks/chunk-verifier.ts'
import type { Fetcher } from '../../cache/read/fetcher.ts'
import type { NodeCache } from '../../cache/state/node-cache.ts'
import { PendingChecksums } from '../../cache/checks/pending-checksums.ts'
import { Scrubber } from '../../cache/checks/scrubber.ts'
import type { Logger } from '../../base/log/logger.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { LostChunkWatch } from './lost-chunk-watch.ts'

export interface DamageWatchParts {
  cache: NodeCache
  engine: MetadataEngine
  fetcher: Fetcher
  logger: Logger
}

export class DamageWatch {
  readonly verifier: ChunkVerifier
  readonly scrubber: Scrubber
  readonly #lost: LostChunkWatch
  readonly #checksums: PendingChecksums

  constructor({ cache, engine, fetcher, logger }: DamageWatchParts) {
    this.verifier = new ChunkVerifier(cache)
    this.scrubber = new Scrubber(cache, fetcher, logger)
    this.#lost = new LostChunkWatch(cache, engine, logger)
    this.#checksums = new PendingChecksums(cache, new ChunkReader(cache))
  }

  /** Call once a second. */
  look(onFailure: (error: unknown) => void): void {
    this.#lost.look()
    this.#checksums.look(onFailure)
  }

  async stop(): Promise<void> {
    await Promise.all([this.scrubber.stop(), this.#checksums.stop()])
  }
}

/**
 * Everything that detects and repairs damage on the disk of a node: computes missing checksums,
 * compares chunks with them, restores damaged chunks from the cloud, and logs lost chunks by name.
 * Main thread.
 */
import { ChunkVerifier, type ChunkVerifierParts } from '../../cache/checks/chunk-verifier.ts'
import type { Fetcher } from '../../cache/read/fetcher.ts'
import {
  PendingChecksums,
  type PendingChecksumsParts,
} from '../../cache/checks/pending-checksums.ts'
import { Scrubber, type ScrubberParts } from '../../cache/checks/scrubber.ts'
import type { Logger } from '../../base/log/logger.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { LostChunkWatch, type LostChunkWatchParts } from './lost-chunk-watch.ts'

export interface DamageWatchParts
  extends ChunkVerifierParts, ScrubberParts, LostChunkWatchParts, PendingChecksumsParts {
  engine: MetadataEngine
  fetcher: Fetcher
  logger: Logger
}

export class DamageWatch {
  readonly verifier: ChunkVerifier
  readonly scrubber: Scrubber
  readonly #lost: LostChunkWatch
  readonly #checksums: PendingChecksums

  constructor(parts: DamageWatchParts) {
    const { engine, fetcher, logger } = parts
    this.verifier = new ChunkVerifier(parts)
    this.scrubber = new Scrubber(parts, fetcher, logger)
    this.#lost = new LostChunkWatch(parts, engine, logger)
    this.#checksums = new PendingChecksums(parts)
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

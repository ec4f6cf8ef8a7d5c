/**
 * Unavailable files, for the status of a node: files whose only copies are lost or on offline
 * nodes. A scan reads the metadata of all pending uploads, so callers get the result of the latest
 * scan. A call starts another one if the last is some seconds old.
 */
import { coordinatorLimits } from '../coordinator/limits.ts'
import type { AwayPeer } from '../tiers/peers/peer-status.ts'
import type { MissingFiles } from '../volume/paths/missing-files.ts'

export interface Unavailable {
  files: number
  bytes: number
  /** More files are unavailable than were counted. */
  more: boolean
  /** Nodes that have the unavailable bytes, if any do. */
  holders: string[]
  /** Reason why some are lost, if known here. */
  reason: string | null
  since: Date
}

export interface UnavailableFilesParts {
  look: () => Promise<MissingFiles>
  away: () => readonly AwayPeer[]
}

/** Scans take at most 1/SHARE of the time. */
const SHARE = 20

export class UnavailableFiles {
  readonly #parts: UnavailableFilesParts
  #found: Unavailable | undefined
  #nextMs = -Infinity

  constructor(parts: UnavailableFilesParts) {
    this.#parts = parts
  }

  /** Result of the last scan; undefined: all files can be read. */
  get found(): Unavailable | undefined {
    if (performance.now() >= this.#nextMs) {
      this.#nextMs = Infinity
      void this.#look()
    }
    return this.#found
  }

  async #look(): Promise<void> {
    const beganMs = performance.now()
    try {
      this.#found = this.#sum(await this.#parts.look())
    } catch {
      // The node is stopping, or its copy of the metadata is being replaced: the next scan counts.
    }
    const tookMs = performance.now() - beganMs
    this.#nextMs = performance.now() + Math.max(coordinatorLimits.peerSweepMs, tookMs * SHARE)
  }

  #sum({ files, more }: MissingFiles): Unavailable | undefined {
    if (files.length === 0) return undefined
    const holders = [...new Set(files.flatMap((file) => file.holders))].sort()
    const times = this.#parts
      .away()
      .filter(({ id }) => holders.includes(id))
      .map(({ since }) => Date.parse(since))
    const first = this.#found?.since.getTime() ?? Date.now()
    return {
      files: files.length,
      bytes: files.reduce((sum, file) => sum + file.missingBytes, 0),
      more,
      holders,
      reason: files.find((file) => file.reason !== null)?.reason ?? null,
      since: new Date(Math.min(first, ...times)),
    }
  }
}

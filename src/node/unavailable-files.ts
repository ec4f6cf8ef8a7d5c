/**
 * Files that cannot be read because their only copies are on nodes that are away, or lost, for
 * the status of a node. Whoever asks gets what the last look found, and has the next one begun when
 * that is some seconds old: a look goes through everything that the cloud does not have.
 */
import { coordinatorLimits } from '../coordinator/limits.ts'
import type { AwayPeer } from '../tiers/peers/peer-status.ts'
import type { MissingFiles } from '../volume/paths/missing-files.ts'

export interface Unavailable {
  files: number
  bytes: number
  /** There are more files than were counted. */
  more: boolean
  /** Nodes that have the bytes, as far as any has. */
  holders: string[]
  /** Why some are lost, where that is known here. */
  reason: string | null
  since: Date
}

export interface UnavailableFilesParts {
  look: () => Promise<MissingFiles>
  away: () => readonly AwayPeer[]
}

/** Of the time, looks take a twentieth at most. */
const SHARE = 20

export class UnavailableFiles {
  readonly #parts: UnavailableFilesParts
  #found: Unavailable | undefined
  #nextMs = -Infinity

  constructor(parts: UnavailableFilesParts) {
    this.#parts = parts
  }

  /** As last found; undefined: all files can be read. */
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
      // The node is stopping, or its copy of the names is being replaced: the next look tells.
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

/**
 * Gives replicas of chunks to other nodes, before or after the commit; this implements durability
 * `peers=N`. Chunks are sent in parallel, bounded in number and in bytes, and the peers are chosen
 * for each chunk separately.
 *
 * If too few peers accept a chunk, a patient caller (a close) waits for more peers, for a bounded
 * time. After such a wait has failed, no caller waits again before more nodes are online or a chunk
 * has got all its replicas. Main thread.
 */
import { crc32 } from 'node:zlib'
import { pause } from '../../base/async/retry.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import type { ChunkReader } from '../../cache/read/chunk-reader.ts'
import type { UploadJournal } from '../../cache/upload/upload-journal.ts'
import type { ChunkIndex } from '../../cache/state/chunk-index.ts'
import { volumeLimits } from '../limits.ts'
import type { ChunkAddress } from '../../tiers/peers/chunk-address.ts'
import type { PeersTier } from '../../tiers/peers/peers-tier.ts'
import type { CoordinatorLink } from './coordinator-link.ts'
import { holdersOf } from './durability-gate.ts'

export interface ChunkCopiesParts {
  chunkReader: ChunkReader
  uploads: UploadJournal
  index: ChunkIndex
  peers: PeersTier
  link: CoordinatorLink
}

export interface CopyWish {
  /** Number of other nodes that are to have each chunk. */
  copies: number
  /** A caller waits for the replicas, so waiting for absent nodes is worthwhile. */
  patient: boolean
  signal?: AbortSignal | undefined
}

interface PlacedChunk extends ChunkAddress {
  length: number
  /** Nodes that have it according to the metadata. */
  holders: readonly string[]
  /** The `holders` that are online, without this node. */
  others: readonly string[]
}

/** Other nodes that have a chunk; `crc`: its CRC-32, if it was computed in this call. */
interface Placed {
  others: readonly string[]
  crc?: number
}

export class ChunkCopies {
  readonly #parts: ChunkCopiesParts
  readonly #places = new Semaphore(volumeLimits.copies)
  readonly #memory = new Semaphore(volumeLimits.copyBufferBytes)
  /** Number of online nodes when a wait for replicas last failed. */
  #short: number | undefined

  constructor(parts: ChunkCopiesParts) {
    this.#parts = parts
  }

  /** Replicates chunks that are in the journal; returns the holders of each, this node first. */
  async place<C extends { index: number; id: number; length: number }>(
    ino: number,
    chunks: readonly C[],
    wish: CopyWish,
  ): Promise<(C & { holders: string; crc: number | undefined })[]> {
    const self = this.#parts.link.peerId
    const run = { newsMs: performance.now() }
    return await Promise.all(
      chunks.map(async (chunk) => {
        const placed = { ...chunk, ino, holders: [], others: [] }
        const { others, crc } = await this.#place(placed, wish, run)
        return { ...chunk, holders: [self, ...others].join(','), crc }
      }),
    )
  }

  /**
   * As `place`, for committed chunks that are not durable; returns whether all have enough copies.
   */
  async ensure(ino: number, wish: CopyWish): Promise<boolean> {
    const run = { newsMs: performance.now() }
    const lacking = this.#lacking(ino, wish.copies)
    const done = await Promise.all(
      lacking.map(async (chunk) => {
        const placed = await this.#place(chunk, wish, run)
        await this.#note(chunk, placed, wish)
        return placed.others.length >= wish.copies
      }),
    )
    return done.every(Boolean)
  }

  async #note(
    { ino, index, id, holders: before }: PlacedChunk,
    { others, crc }: Placed,
    { copies, signal }: CopyWish,
  ): Promise<void> {
    const { link } = this.#parts
    const self = link.peerId
    // An offline holder may return with its replica; remove it only when others replace it.
    const away = before.filter((id) => id !== self && !others.includes(id))
    const listed = [self, ...others, ...(others.length >= copies ? [] : away)].join(',')
    if (listed === before.join(',')) return
    await link.perform('setHolders', [ino, index, id, listed, crc ?? null], { signal })
  }

  /** Committed chunks that have too few holders, counting online nodes only. */
  #lacking(ino: number, copies: number): PlacedChunk[] {
    const { link, peers } = this.#parts
    const live = new Set(peers.directory.peers().map(({ id }) => id))
    return this.#parts.uploads.of(ino, 0).flatMap(({ index, id, length }) => {
      const reference = this.#parts.index.find(ino, index)
      if (reference?.id !== id || reference.durable) return []
      const holders = holdersOf(reference)
      const others = holders.filter((holder) => live.has(holder))
      const isListed = holders.includes(link.peerId)
      if (isListed && others.length >= copies) return []
      return [{ ino, index, id, length, holders, others }]
    })
  }

  /** Sends one chunk to peers until enough have it; returns the holders then. */
  async #place(chunk: PlacedChunk, wish: CopyWish, run: { newsMs: number }): Promise<Placed> {
    const { copies, signal } = wish
    const taken = [...chunk.others]
    if (taken.length >= copies) return { others: taken }
    using _place = await this.#places.acquire(1, { signal })
    using _memory = await this.#memory.acquire(Math.max(1, chunk.length), { signal })
    const data = await this.#parts.chunkReader.load(chunk)
    if (data === undefined) return { others: taken }
    const crc = crc32(data)
    const placed = { others: taken, crc }
    for (;;) {
      const missing = copies - taken.length
      const more = await this.#parts.peers.copy(chunk, data, {
        ...{ crc, signal },
        copies: missing,
        except: taken,
      })
      taken.push(...more)
      if (more.length > 0) run.newsMs = performance.now()
      if (more.length === missing) {
        this.#short = undefined
        return placed
      }
      if (!wish.patient || !this.#isWorthWaiting(run.newsMs)) return placed
      await pause(volumeLimits.copiesLookMs, signal)
    }
  }

  #isWorthWaiting(newsMs: number): boolean {
    const live = this.#parts.peers.directory.peers().length
    if (this.#short !== undefined && live <= this.#short) return false
    if (performance.now() - newsMs < volumeLimits.copiesWaitMs) return true
    this.#short = live
    return false
  }
}

/**
 * Gives other nodes copies of chunks that this node committed, or is about to: what `peers=N` is
 * made of. Chunks go in parallel, bounded in number and bytes; each to peers of its own.
 *
 * Where too few take it, somebody who closes a file waits for more of them, for a while; who waited
 * in vain is the last to wait until a node comes or a copy is taken again. Main thread.
 */
import { crc32 } from 'node:zlib'
import { pause } from '../../base/async/retry.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import { ChunkReader } from '../../cache/read/chunk-reader.ts'
import type { NodeCache } from '../../cache/state/node-cache.ts'
import { volumeLimits } from '../limits.ts'
import type { ChunkAddress } from '../../tiers/peers/chunk-address.ts'
import type { PeersTier } from '../../tiers/peers/peers-tier.ts'
import type { CoordinatorLink } from './coordinator-link.ts'
import { holdersOf } from './durability-gate.ts'

export interface ChunkCopiesParts {
  cache: NodeCache
  peers: PeersTier
  link: CoordinatorLink
}

export interface CopyWish {
  /** How many other nodes are to have each chunk. */
  copies: number
  /** Somebody waits for it: worth waiting for nodes that are not there. */
  patient: boolean
  signal?: AbortSignal | undefined
}

interface PlacedChunk extends ChunkAddress {
  length: number
  /** Nodes that have it, as the metadata says. */
  holders: readonly string[]
  /** Those of them that are there, without this one. */
  others: readonly string[]
}

/** Which other nodes have a chunk, and its CRC-32 where they were just given it. */
interface Placed {
  others: readonly string[]
  crc?: number
}

export class ChunkCopies {
  readonly #parts: ChunkCopiesParts
  readonly #loader: ChunkReader
  readonly #places = new Semaphore(volumeLimits.copies)
  readonly #memory = new Semaphore(volumeLimits.copyBufferBytes)
  /** Live nodes when somebody last waited in vain. */
  #short: number | undefined

  constructor(parts: ChunkCopiesParts) {
    this.#parts = parts
    this.#loader = new ChunkReader(parts.cache)
  }

  /** For chunks that are in the journal: which nodes have each of them, this one first. */
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

  /** As `place`, for what is committed and waits for the cloud; whether all of it is placed. */
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
    // Who is away may come back with its copy: it is struck off when others make up for it.
    const away = before.filter((id) => id !== self && !others.includes(id))
    const listed = [self, ...others, ...(others.length >= copies ? [] : away)].join(',')
    if (listed === before.join(',')) return
    await link.perform('setHolders', [ino, index, id, listed, crc ?? null], { signal })
  }

  /** Committed chunks whose list of holders is too short, counting live ones only. */
  #lacking(ino: number, copies: number): PlacedChunk[] {
    const { cache, link, peers } = this.#parts
    const live = new Set(peers.directory.peers().map(({ id }) => id))
    return cache.database.uploadsOf(ino, 0).flatMap(({ index, id, length }) => {
      const reference = cache.index.find(ino, index)
      if (reference?.id !== id || reference.durable) return []
      const holders = holdersOf(reference)
      const others = holders.filter((holder) => live.has(holder))
      const isListed = holders.includes(link.peerId)
      if (isListed && others.length >= copies) return []
      return [{ ino, index, id, length, holders, others }]
    })
  }

  /** What is so then. */
  async #place(chunk: PlacedChunk, wish: CopyWish, run: { newsMs: number }): Promise<Placed> {
    const { copies, signal } = wish
    const taken = [...chunk.others]
    if (taken.length >= copies) return { others: taken }
    using _place = await this.#places.acquire(1, { signal })
    using _memory = await this.#memory.acquire(Math.max(1, chunk.length), { signal })
    const data = await this.#loader.load(chunk)
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

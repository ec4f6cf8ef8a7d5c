/**
 * Keeps what `peers=N` promised when nodes die. For each chunk that the cloud does not have yet the
 * first node of its list of holders that is there is answerable: for the writer that is itself, and
 * it uploads anyway; when the writer is gone it is a node with a copy. That one gives copies to
 * others until there are as many again, uploads the chunk, and has it marked durable.
 *
 * Invariants: nobody is taken for gone before it was away for a while, nor while this node itself
 * may be the one that is cut off; that two nodes hold themselves answerable for a moment costs a
 * second upload of the same bytes under the same key. Main thread.
 */
import { crc32 } from 'node:zlib'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { backoffMs } from '../../base/async/retry.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import type { CommittedChunk } from '../../cache/state/chunk-index.ts'
import type { ChunkReplicas } from '../../cache/replicas/chunk-replicas.ts'
import type { ChunkReplica } from '../../cache/state/node-database.ts'
import type { NodeCache } from '../../cache/state/node-cache.ts'
import { chunkKey } from '../../cache/upload/object-key.ts'
import type { DurableMarks } from '../../cache/upload/upload-finisher.ts'
import { cacheLimits } from '../../cache/limits.ts'
import { volumeLimits } from '../limits.ts'
import { copiesOf } from '../../metadata/durability.ts'
import type { PeersTier } from '../../tiers/peers/peers-tier.ts'
import type { TierStorage } from '../../tiers/tier-storage.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { listPendingUploads } from '../../metadata/pending-upload-rules.ts'
import { hasChunk } from './chunk-presence.ts'
import type { CoordinatorLink } from './coordinator-link.ts'
import { holdersOf, type DurabilityGate } from './durability-gate.ts'
import type { RemoteCommits } from './remote-commits.ts'

export interface ReplicaWatchParts {
  engine: MetadataEngine
  cache: NodeCache
  cloud: TierStorage
  held: ChunkReplicas
  peers: PeersTier
  link: CoordinatorLink
  remote: RemoteCommits
  marks: DurableMarks
  durability: DurabilityGate
  logger: Logger
  /** What is known of who is there may be believed. */
  isTrusted: () => boolean
  nowMs?: () => number
}

export class ReplicaWatch {
  readonly #parts: ReplicaWatchParts
  readonly #log: RepeatedLog
  readonly #nowMs: () => number
  readonly #places = new Semaphore(volumeLimits.holderRepairs)
  readonly #stop = new AbortController()
  /** When each node was last there. */
  readonly #seenMs = new Map<string, number>()
  #startMs: number
  #there = ''
  /** When somebody came or went. */
  #changedMs: number
  #passedMs = -Infinity
  #failures = 0
  #againMs = Infinity
  #isCloudAway = false
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** Chunks of others that were brought to the cloud, since the start. */
  uploadedChunks = 0

  constructor(parts: ReplicaWatchParts) {
    this.#parts = parts
    this.#log = new RepeatedLog(parts.logger)
    this.#nowMs = parts.nowMs ?? (() => performance.now())
    this.#startMs = this.#nowMs()
    this.#changedMs = this.#startMs
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), volumeLimits.holderLookMs)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stop.abort()
    await this.#running
  }

  /** Sees who is there, and repairs where that may be needed; what it began goes on. */
  look(): void {
    const now = this.#nowMs()
    if (!this.#parts.isTrusted()) {
      // Who went meanwhile is noticed from then on.
      this.#startMs = now
      this.#seenMs.clear()
      return
    }
    const ids = this.#parts.peers.directory.peers().map(({ id }) => id)
    for (const id of ids) this.#seenMs.set(id, now)
    const there = ids.sort().join(',')
    if (there !== this.#there) this.#changedMs = now
    this.#there = there
    const isUnsettled =
      now - this.#changedMs < volumeLimits.holderGoneMs + 2 * volumeLimits.holderLookMs
    const isOld = now - this.#passedMs >= volumeLimits.holderPassMs
    if (this.#running || !(isUnsettled || isOld || now >= this.#againMs)) return
    this.#passedMs = now
    this.#running = this.#pass()
      .catch((error: unknown) => {
        this.#noteFailure(describe(error))
      })
      .finally(() => {
        this.#running = undefined
      })
  }

  async #pass(): Promise<void> {
    const { signal } = this.#stop
    this.#isCloudAway = false
    this.#againMs = Infinity
    await this.#disown(signal)
    const isDone = (await this.#repairReplicas(signal)) && (await this.#repairOwn(signal))
    if (isDone) this.#failures = 0
    else this.#noteFailure('not all of it could be made safe again')
  }

  #noteFailure(reason: string): void {
    if (this.#stop.signal.aborted) return
    this.#failures += 1
    const delayMs = volumeLimits.holderLookMs + backoffMs(this.#failures)
    this.#againMs = this.#nowMs() + delayMs
    this.#log.warn('pass', `chunks of nodes that are gone: ${reason}; tried again`)
  }

  /**
   * What this node is said to have, and has not: it lost its disk and kept its name. Else all would
   * leave it to this node to bring that to the cloud.
   */
  async #disown(signal: AbortSignal): Promise<void> {
    const { engine, link, cache } = this.#parts
    for (let [ino, index] = [0, -1]; !signal.aborted;) {
      const page = engine.read(listPendingUploads(ino, index, cacheLimits.replicaPage))
      for (const chunk of page) {
        const holders = holdersOf(chunk)
        if (!holders.includes(link.peerId) || hasChunk(cache, chunk)) continue
        if (cache.database.chunk(chunk.ino, chunk.index)?.id === chunk.id) continue
        const others = holders.filter((id) => id !== link.peerId).join(',')
        await link.perform('setHolders', [chunk.ino, chunk.index, chunk.id, others], { signal })
      }
      const last = page.at(-1)
      if (last === undefined) return
      ;({ ino, index } = last)
      await new Promise(setImmediate)
    }
  }

  /** Copies held here that this node has become answerable for. */
  async #repairReplicas(signal: AbortSignal): Promise<boolean> {
    const { database, index } = this.#parts.cache
    let isDone = true
    for (let after = -1; !signal.aborted;) {
      const page = database.replicasAfter(after, cacheLimits.replicaPage)
      const work = page.flatMap((held) => {
        const reference = index.find(held.ino, held.index)
        if (reference?.id !== held.id || reference.durable) return []
        return this.#isAnswerable(reference) ? [this.#adopt(held, reference, signal)] : []
      })
      for (const done of await Promise.all(work)) isDone &&= done
      const last = page.at(-1)
      if (last === undefined) return isDone
      after = last.id
      await new Promise(setImmediate)
    }
    return isDone
  }

  #isAnswerable(reference: CommittedChunk): boolean {
    const first = holdersOf(reference).find((id) => !this.#isGone(id))
    // None is left of those that are known to have it: then who has it without being listed, where
    // it can be told that these are the bytes.
    if (first === undefined) return reference.crc !== null
    return first === this.#parts.link.peerId
  }

  #isGone(id: string): boolean {
    if (id === this.#parts.link.peerId) return false
    return this.#nowMs() - (this.#seenMs.get(id) ?? this.#startMs) >= volumeLimits.holderGoneMs
  }

  /** Copies first: that takes milliseconds where the cloud takes seconds, or is away. */
  async #adopt(
    held: ChunkReplica,
    reference: CommittedChunk,
    signal: AbortSignal,
  ): Promise<boolean> {
    using _place = await this.#places.acquire(1, { signal })
    const data = await this.#parts.held.read(held)
    if (data === undefined) return true
    await this.#copy(held, reference, data, signal)
    return await this.#upload(held, data, signal)
  }

  async #copy(
    { ino, index, id }: ChunkReplica,
    reference: CommittedChunk,
    data: Buffer,
    signal: AbortSignal,
  ): Promise<void> {
    const { peers, link, durability } = this.#parts
    const before = holdersOf(reference)
    const others = before.filter((holder) => holder !== link.peerId && !this.#isGone(holder))
    const wanted = Math.max(before.length - 1, copiesOf(durability.of(ino)))
    const crc = crc32(data)
    const how = { crc, except: others, signal }
    const copies = wanted - others.length
    const more = copies > 0 ? await peers.copy({ ino, index, id }, data, { ...how, copies }) : []
    const now = [link.peerId, ...others, ...more]
    const listed = now.length > wanted ? now : [...now, ...before.filter((it) => !now.includes(it))]
    if (listed.join(',') !== reference.holders) {
      await link.perform('setHolders', [ino, index, id, listed.join(','), crc], { signal })
    }
  }

  /** False where the cloud does not take it now. */
  async #upload(
    { ino, index, id }: ChunkReplica,
    data: Buffer,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { cloud, marks } = this.#parts
    if (this.#isCloudAway) return false
    const crc = crc32(data)
    try {
      await cloud.write(chunkKey(ino, index, id), data, { crc32: crc, signal })
    } catch (error) {
      this.#isCloudAway = true
      const what = 'a chunk of a node that is gone cannot be uploaded'
      this.#log.warn('upload', `${what}: ${describe(error)}`)
      return false
    }
    if (await marks.durable(ino, index, id, crc)) this.uploadedChunks += 1
    else await marks.discard(ino, index, id)
    return true
  }

  /** Chunks of this node whose copies went with other nodes. */
  async #repairOwn(signal: AbortSignal): Promise<boolean> {
    const { cache, durability, remote } = this.#parts
    let isDone = true
    for (let after = 0; !signal.aborted;) {
      const page = cache.database.uploadsAfter(after, cacheLimits.uploadBatch)
      const wishes = new Map<number, number>()
      for (const { ino, index, id } of page) {
        const reference = cache.index.find(ino, index)
        if (wishes.has(ino) || reference?.id !== id || reference.durable) continue
        const copies = copiesOf(durability.of(ino))
        const there = holdersOf(reference).filter((holder) => !this.#isGone(holder))
        if (copies > 0 && there.length <= copies) wishes.set(ino, copies)
      }
      for (const [ino, copies] of wishes) {
        if (!(await remote.copy(ino, copies, { signal }))) isDone = false
      }
      const last = page.at(-1)
      if (last === undefined) return isDone
      after = last.seq
      await new Promise(setImmediate)
    }
    return isDone
  }
}

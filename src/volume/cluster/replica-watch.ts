/**
 * Maintains the replicas of `peers=N` when nodes fail. For each chunk that is not durable, the
 * first online node in its list of holders is responsible. While the writer is online that is the
 * writer, which uploads the chunk anyway; otherwise it is a replica holder. That holder replicates
 * the chunk until there are enough replicas again, uploads it, and has it marked durable.
 *
 * Invariants: a node counts as gone only after it was offline for `holderGoneMs`, and only while
 * this node has a valid metadata lease, since this node may be the one that is cut off. If two
 * nodes consider themselves responsible for a moment, the same bytes are uploaded twice under the
 * same key. Main thread.
 */
import { crc32 } from 'node:zlib'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { backoffMs } from '../../base/async/retry.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import type { CommittedChunk } from '../../cache/state/chunk-index.ts'
import type { ChunkReplicas } from '../../cache/replicas/chunk-replicas.ts'
import type { ChunkReplica } from '../../cache/replicas/replica-table.ts'
import type { ChunkTable } from '../../cache/state/chunk-table.ts'
import type { UploadJournal } from '../../cache/upload/upload-journal.ts'
import type { ReplicaTable } from '../../cache/replicas/replica-table.ts'
import type { ChunkIndex } from '../../cache/state/chunk-index.ts'
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
  chunks: ChunkTable
  uploads: UploadJournal
  replicaTable: ReplicaTable
  index: ChunkIndex
  cloud: TierStorage
  held: ChunkReplicas
  peers: PeersTier
  link: CoordinatorLink
  remote: RemoteCommits
  marks: DurableMarks
  durability: DurabilityGate
  logger: Logger
  /** Whether the list of online nodes is current. */
  isTrusted: () => boolean
  nowMs?: () => number
}

export class ReplicaWatch {
  readonly #parts: ReplicaWatchParts
  readonly #log: RepeatedLog
  readonly #nowMs: () => number
  readonly #places = new Semaphore(volumeLimits.holderRepairs)
  readonly #stop = new AbortController()
  /** When each node was last online, ms as from `nowMs`. */
  readonly #seenMs = new Map<string, number>()
  #startMs: number
  #there = ''
  /** When a node last came online or went offline. */
  #changedMs: number
  #passedMs = -Infinity
  #failures = 0
  #againMs = Infinity
  #isCloudAway = false
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** Chunks of other nodes that this node has uploaded since its start. */
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

  /**
   * Updates which nodes are online and starts a repair pass if one may be needed; does not wait.
   */
  look(): void {
    const now = this.#nowMs()
    if (!this.#parts.isTrusted()) {
      // Nodes that went offline meanwhile count as offline from then on.
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
   * Removes this node from the holders of chunks that it does not have: it lost its disk and kept
   * its name. Otherwise the other nodes would leave the upload to this node.
   */
  async #disown(signal: AbortSignal): Promise<void> {
    const { engine, link } = this.#parts
    for (let [ino, index] = [0, -1]; !signal.aborted;) {
      const page = engine.read(listPendingUploads(ino, index, cacheLimits.replicaPage))
      for (const chunk of page) {
        const holders = holdersOf(chunk)
        if (!holders.includes(link.peerId) || hasChunk(this.#parts, chunk)) continue
        if (this.#parts.chunks.find(chunk.ino, chunk.index)?.id === chunk.id) continue
        const others = holders.filter((id) => id !== link.peerId).join(',')
        await link.perform('setHolders', [chunk.ino, chunk.index, chunk.id, others], { signal })
      }
      const last = page.at(-1)
      if (last === undefined) return
      ;({ ino, index } = last)
      await new Promise(setImmediate)
    }
  }

  /** Repairs the replicas on this node for which it has become responsible. */
  async #repairReplicas(signal: AbortSignal): Promise<boolean> {
    const { replicaTable, index } = this.#parts
    let isDone = true
    for (let after = -1; !signal.aborted;) {
      const page = replicaTable.after(after, cacheLimits.replicaPage)
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
    // All listed holders are gone. Any node with the bytes is then responsible, provided that the
    // checksum in the metadata can prove them.
    if (first === undefined) return reference.crc !== null
    return first === this.#parts.link.peerId
  }

  #isGone(id: string): boolean {
    if (id === this.#parts.link.peerId) return false
    return this.#nowMs() - (this.#seenMs.get(id) ?? this.#startMs) >= volumeLimits.holderGoneMs
  }

  /** Replicates first: that takes milliseconds, while an upload takes seconds or fails. */
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

  /** False if the cloud does not accept it now. */
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

  /** Replicates this node's own chunks again whose replicas went with other nodes. */
  async #repairOwn(signal: AbortSignal): Promise<boolean> {
    const { durability, remote } = this.#parts
    let isDone = true
    for (let after = 0; !signal.aborted;) {
      const page = this.#parts.uploads.after(after, cacheLimits.uploadBatch)
      const wishes = new Map<number, number>()
      for (const { ino, index, id } of page) {
        const reference = this.#parts.index.find(ino, index)
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

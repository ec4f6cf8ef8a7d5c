/**
 * Implements the status and actions of a node (http/node/node-status.ts) on its volume: status and
 * counters, receipts, durability, unavailable files and their restoration. The long-running actions
 * are in node-actions.ts.
 */
import { FileIdentity } from '../base/file-identity.ts'
import { FsError, codeOf } from '../base/fs-error.ts'
import { CLEAN, DIRTY } from '../cache/state/chunk-table.ts'
import { databasePath } from '../cache/state/cache-settings.ts'
import { chunkKey } from '../cache/upload/object-key.ts'
import { findMount } from '../fuse/mount/mount-table.ts'
import type { ClusterView } from '../http/coordinator/cluster-view.ts'
import type {
  CallOptions,
  EvictOptions,
  NodeStatus,
  ProgressLine,
} from '../http/node/node-status.ts'
import { healthOf } from '../http/server/problem.ts'
import type { Problem } from '../http/server/problem.ts'
import { keptTotals } from '../metadata/sqlite/kept-totals.ts'
import { nodeLimits } from './limits.ts'
import type { Daemon } from '../daemon/daemon.ts'
import { NodeActions } from './node-actions.ts'
import { NodeProblems, type NodeParts } from './node-problems.ts'
import { listChunks } from '../metadata/chunk-rules.ts'
import { DURABILITY_XATTR, durabilityOf } from '../metadata/durability.ts'
import { S_IFDIR, S_IFMT, S_IFREG } from '../metadata/inode-rules.ts'
import { pathOf } from '../metadata/pending-upload-rules.ts'
import type { AwayPeer, PeerReport, PeerStatus } from '../tiers/peers/peer-status.ts'
import { DamagedFolder } from '../tiers/nvme/damaged-folder.ts'
import { holdersOf } from '../volume/cluster/durability-gate.ts'
import {
  isMissing,
  missingFiles,
  type IsHad,
  type LossOf,
  type MissingFiles,
} from '../volume/paths/missing-files.ts'
import { receiptOf } from '../volume/paths/receipt.ts'
import type { VolumeFiles } from '../volume/paths/volume-files.ts'
import { NamesBefore } from '../volume/folder/names-before.ts'
import type { VolumeNode } from '../volume/volume-node.ts'
import { metadataPath } from '../volume/volume-thread.ts'
import { treeReceipt } from './tree-receipt.ts'
import { UnavailableFiles } from './unavailable-files.ts'

export interface NodeFacts {
  mountPoint: string
  /** Undefined: the coordinator is embedded, and there are no other nodes. */
  cluster?: ClusterView | undefined
  version: string
  daemon: Daemon
}

export class NodeOperations implements NodeStatus {
  readonly #node: VolumeNode
  readonly #files: VolumeFiles
  readonly #facts: NodeFacts
  readonly #problems: NodeProblems
  readonly #actions: NodeActions
  readonly #kept: DamagedFolder
  readonly #startedMs = Date.now()

  constructor(node: VolumeNode, files: VolumeFiles, facts: NodeFacts) {
    this.#node = node
    this.#files = files
    this.#facts = facts
    this.#actions = new NodeActions(node, files, {
      isHad: () => this.#isHad(),
      lossOf: this.#lossOf,
    })
    const { mountPoint, cluster } = facts
    const { cloud, uploader: uploads } = node
    const away = (): readonly AwayPeer[] => cluster?.away() ?? []
    const unavailable = new UnavailableFiles({ look: () => this.missing(), away })
    const damaged = (): string | undefined => node.damagedDatabase()
    this.#kept = new DamagedFolder(node.thread.cache.settings.directory)
    const known = { mountPoint, findMount, cluster, cloud, uploads, unavailable }
    const objects = (): ReturnType<NodeParts['objects']> => node.fetcher.unreadable.summary()
    const { directory } = node.thread.cache.settings
    const namesBefore = (): string | undefined => NamesBefore.keptIn(directory)
    const databases = [metadataPath(directory), databasePath(directory)].map(
      (path) => new FileIdentity(path),
    )
    const replaced = (): string[] =>
      databases.filter((file) => !file.isInPlace()).map(({ path }) => path)
    const parts = { ...known, objects, damaged, replaced, kept: this.#kept, namesBefore }
    this.#problems = new NodeProblems(parts)
  }

  problems(): Problem[] {
    return this.#problems.list()
  }

  status(): Record<string, unknown> {
    const { identity, cloud, thread } = this.#node
    const { cluster } = this.#facts
    const { uploads, shared } = thread.cache
    const { count, bytes, oldestMs } = uploads.backlog()
    const away = this.problems()
    return {
      volume: identity.volume,
      chunkSizeBytes: identity.chunkSize,
      mountPoint: this.#facts.mountPoint,
      version: this.#facts.version,
      pid: this.#facts.daemon.supervisorPid,
      daemonPid: process.pid,
      daemonRestarts: this.#facts.daemon.restarts,
      uptimeSeconds: Math.round((Date.now() - this.#startedMs) / 1000),
      ...healthOf(away),
      away,
      ...thread.engine.read(keptTotals()),
      cache: this.cache(),
      backlog: {
        chunks: count,
        bytes,
        uncommittedBytes: Math.max(0, shared.counter('unsyncedBytes') - bytes),
        oldestSeconds: oldestMs === null ? 0 : Math.round((Date.now() - oldestMs) / 1000),
      },
      held: this.#node.held(),
      cloud: cloud.name,
      ...(cluster && {
        cluster: {
          self: cluster.self,
          coordinator: cluster.coordinator,
          peers: cluster.peers(),
          away: cluster.away(),
        },
      }),
    }
  }

  async upgrade(): Promise<() => void> {
    const { daemon } = this.#facts
    await daemon.checkProgram()
    return daemon.replace
  }

  peers(): PeerStatus[] {
    return this.#facts.cluster?.peers() ?? []
  }

  /** The periodic report to the coordinator. */
  report(): PeerReport {
    const { thread } = this.#node
    const { shared, settings, uploads } = thread.cache
    const { bytes, oldestMs } = uploads.backlog()
    const stats = this.cacheStats()
    return {
      health: healthOf(this.problems()).status,
      usedBytes: shared.counter('usedBytes'),
      capacityBytes: settings.capacityBytes,
      hits: stats['hits'] ?? 0,
      misses: stats['misses'] ?? 0,
      peerHits: stats['peerChunks'] ?? 0,
      peerBytes: stats['peerBytes'] ?? 0,
      cloudReads: stats['cloudChunks'] ?? 0,
      cloudBytes: stats['cloudBytes'] ?? 0,
      backlogBytes: bytes,
      backlogAgeMs: oldestMs === null ? 0 : Math.max(0, Date.now() - oldestMs),
    }
  }

  cache(): Record<string, unknown> {
    const { shared, settings } = this.#node.thread.cache
    const damaged = this.#kept.recentUse()
    return {
      directory: settings.directory,
      capacityBytes: settings.capacityBytes,
      usedBytes: shared.counter('usedBytes'),
      unsyncedBytes: shared.counter('unsyncedBytes'),
      diskFreeBytes: shared.counter('freeBytes'),
      freeFloorBytes: settings.freeFloorBytes,
      damagedEntries: damaged.entries,
      damagedBytes: damaged.bytes,
    }
  }

  cacheStats(): Record<string, number> {
    const { uploader, fetcher, evictor, trash, thread, damage } = this.#node
    return {
      hits: thread.cache.shared.counter('hits'),
      hitBytes: thread.cache.shared.counter('hitBytes'),
      misses: thread.cache.shared.counter('misses'),
      passedOpens: thread.cache.shared.counter('passedOpens'),
      fetchedChunks: fetcher.fetchedChunks,
      fetchedBytes: fetcher.fetchedBytes,
      ...fetcher.tierStats(),
      uploadedChunks: uploader.uploadedChunks,
      uploadedBytes: uploader.uploadedBytes,
      evictedChunks: evictor.evictedChunks,
      evictedBytes: evictor.evictedBytes,
      deletedObjects: trash.deleted,
      scrubbedChunks: damage.scrubber.chunks,
      scrubbedBytes: damage.scrubber.bytes,
      damagedChunks: thread.cache.shared.counter('damagedChunks'),
    }
  }

  async receipt(path: string): Promise<Record<string, unknown>> {
    const { ino, mode } = await this.#files.inode(path)
    if ((mode & S_IFMT) === S_IFDIR) {
      const { durability } = await this.durability(path)
      const tree = await treeReceipt(this.#node, this.#files, this.#isHad(), path)
      return { path, ...tree, durability }
    }
    const { engine, cache, committer } = this.#node.thread
    const { cloudName, durability } = this.#node.threadSettings
    committer.commitAsked(ino)
    const receipt = receiptOf({ engine, ...cache, cloudName, durability }, ino)
    const isThere = this.#presence()
    return { path, ...receipt, away: receipt.holders.filter((id) => !isThere(id)) }
  }

  async durability(path: string): Promise<Record<string, unknown>> {
    const { ino } = await this.#files.inode(path)
    const { thread, threadSettings } = this.#node
    const found = thread.engine.read(durabilityOf(ino))
    if (found === undefined) return { path, durability: threadSettings.durability, from: null }
    return { path, durability: found.durability, from: thread.engine.read(pathOf(found.ino)) }
  }

  async setDurability(path: string, durability: string | null): Promise<Record<string, unknown>> {
    try {
      const value = durability === null ? undefined : Buffer.from(durability)
      await this.#files.setXattr(path, DURABILITY_XATTR, value)
    } catch (error) {
      // The directory had no setting of its own to remove.
      if (durability !== null || codeOf(error) !== 'ENODATA') throw error
    }
    return await this.durability(path)
  }

  missing(): Promise<MissingFiles> {
    return missingFiles(this.#node.thread.engine, this.#isHad(), this.#lossOf)
  }

  async restore(path: string): Promise<Record<string, unknown>> {
    const { ino, mode } = await this.#files.inode(path)
    if ((mode & S_IFMT) !== S_IFREG) throw new FsError('EINVAL', `${path} is no regular file`)
    const { engine } = this.#node.thread
    if (!(await isMissing(engine, ino, this.#isHad()))) {
      throw new FsError('EBUSY', `${path} is all there: nothing has to be restored`, { path })
    }
    await this.#node.restore(ino)
    return await this.receipt(path)
  }

  /** Whether the node with an id is online. Without peers always true: this node has everything. */
  #presence(): (id: string) => boolean {
    const { peers } = this.#node
    if (peers === undefined) return () => true
    const { self } = peers.directory
    const there = new Set([self, ...peers.directory.peers().map(({ id }) => id)])
    return (id) => there.has(id)
  }

  /**
   * Whether a chunk is available on an online node, or here without being recorded as a replica.
   */
  #isHad(): IsHad {
    const { peers } = this.#node
    const isThere = this.#presence()
    const self = peers?.directory.self
    return (chunk) => {
      const others = holdersOf(chunk).filter((id) => id !== self)
      return this.#node.hasChunk(chunk) || (peers !== undefined && others.some(isThere))
    }
  }

  /** The reason why an unavailable chunk is lost; undefined if another node ever had it. */
  readonly #lossOf: LossOf = (chunk) => {
    const self = this.#node.peers?.directory.self
    if (holdersOf(chunk).some((id) => id !== self)) return undefined
    const lost = this.#node.thread.cache.lostTable.find(chunk.ino, chunk.index)
    return lost?.id === chunk.id ? lost.reason : undefined
  }

  async explain(path: string): Promise<Record<string, unknown>> {
    const { ino, mode } = await this.#files.inode(path)
    if ((mode & S_IFMT) === S_IFDIR) {
      const text = `${path} is a directory: name a file of it, or ask for its receipt`
      throw new FsError('EISDIR', text, { path })
    }
    const receipt = await this.receipt(path)
    const { engine, cache } = this.#node.thread
    const rows = engine.read(listChunks(ino, 0, nodeLimits.explainedChunks))
    const chunks = rows.map((row) => {
      const here = cache.chunks.find(ino, row.index)
      return {
        index: row.index,
        bytes: row.length,
        local: here ? stateName(here.state) : 'absent',
        cloud: row.durable === 1 ? chunkKey(ino, row.index, row.id) : 'not yet',
        crc32: row.crc,
        holders: row.holders,
      }
    })
    return { ...receipt, backingFile: cache.files.path(ino), listedChunks: chunks }
  }

  wait(paths: readonly string[], options?: CallOptions): AsyncIterable<ProgressLine> {
    return this.#actions.wait(paths, options)
  }

  warm(paths: readonly string[], options?: CallOptions): AsyncIterable<ProgressLine> {
    return this.#actions.warm(paths, options)
  }

  evict(paths: readonly string[], options?: EvictOptions): AsyncIterable<ProgressLine> {
    return this.#actions.evict(paths, options)
  }
}

function stateName(state: number): string {
  if (state === CLEAN) return 'present'
  return state === DIRTY ? 'written' : 'waiting for upload'
}

/**
 * The open volume of a node: its identity is checked, its databases are recovered, and its
 * background work runs (upload, eviction, checkpoints, deletion). The mount, the API and the tools
 * use it. Main thread.
 *
 * Invariant: until `open` has resolved, nothing was changed that a failed start would have to undo.
 */
import { existsSync } from 'node:fs'
import type { WaitResult } from '../base/suspended.ts'
import { monotonicMs, now } from '../base/clock.ts'
import { FsError, describe } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import { Checkpointer } from '../cache/upload/checkpointer.ts'
import { ChunkExchange } from '../cache/replicas/chunk-exchange.ts'
import { ChunkReplicas } from '../cache/replicas/chunk-replicas.ts'
import type { PeersTier } from '../tiers/peers/peers-tier.ts'
import { Evictor } from '../cache/space/evictor.ts'
import { Fetcher } from '../cache/read/fetcher.ts'
import { GroupCommit } from '../cache/write/group-commit.ts'
import type { WaitCondition } from '../cache/waiting/wait-condition.ts'
import { databasePath, type CacheSettings } from '../cache/state/cache-settings.ts'
import { WaitResolver } from '../cache/waiting/wait-resolver.ts'
import { ConditionVariable } from '../cache/waiting/condition-variable.ts'
import { Readahead } from '../cache/read/readahead.ts'
import { RemovedFiles } from '../cache/space/removed-files.ts'
import type { Recovery } from '../cache/state/recovery.ts'
import type { DurableMarks } from '../cache/upload/upload-finisher.ts'
import { Uploader } from '../cache/upload/uploader.ts'
import { cacheLimits } from '../cache/limits.ts'
import { volumeLimits } from './limits.ts'
import type { TierStorage } from '../tiers/tier-storage.ts'
import { DirectoryLock } from './folder/directory-lock.ts'
import { countPendingUploads } from '../metadata/chunk-rules.ts'
import { findNode } from '../metadata/node-rules.ts'
import type { MetadataEngine } from '../metadata/metadata-engine.ts'
import { ChunkCopies } from './cluster/chunk-copies.ts'
import { hasChunk } from './cluster/chunk-presence.ts'
import type { CoordinatorLink } from './cluster/coordinator-link.ts'
import { DamageWatch } from './folder/damage-watch.ts'
import { ReplicaWatch } from './cluster/replica-watch.ts'
import type { KernelCaches, KernelPages } from './kernel/kernel-pages.ts'
import type { LockWaitCondition } from './locks/lock-service.ts'
import type { NodeLocks } from './locks/node-locks.ts'
import { PassthroughWriteMonitor } from '../cache/passthrough/passthrough-write-monitor.ts'
import { MmapMonitor } from '../cache/passthrough/mmap-monitor.ts'
import { RemoteCommits } from './cluster/remote-commits.ts'
import type { MetadataReplica } from './cluster/metadata-replica.ts'
import { marksOf } from './durable-marks.ts'
import { TrashCollector, type TrashStore } from './trash-collector.ts'
import { checkIdentity, type VolumeIdentity } from './folder/volume-identity.ts'
import {
  metadataPath,
  type FirstUse,
  type ThreadSettings,
  type VolumeThread,
} from './volume-thread.ts'
import {
  openVolume,
  inspectCloud,
  type OpenedVolume,
  type VolumeNodeOptions,
} from './open-volume.ts'

export class VolumeNode {
  readonly identity: VolumeIdentity
  readonly thread: VolumeThread
  readonly threadSettings: ThreadSettings
  readonly cloud: TierStorage
  readonly uploader: Uploader
  readonly evictor: Evictor
  readonly fetcher: Fetcher
  readonly waitResolver: WaitResolver
  readonly progress = new ConditionVariable()
  /** The kernel's page cache of files. */
  readonly pages: KernelPages
  readonly trash: TrashCollector
  /** The copy of the metadata; undefined on a single-node volume. */
  readonly replica: MetadataReplica | undefined
  readonly peers: PeersTier | undefined
  /** Serves chunks to peers; undefined without peers. */
  readonly exchange: ChunkExchange | undefined
  /** Undefined if the kernel keeps the file locks. */
  readonly locks: NodeLocks | undefined
  readonly #held: ChunkReplicas | undefined
  #replicasSettledMs = Date.now()
  readonly #link: CoordinatorLink | undefined
  readonly #remote: RemoteCommits | undefined
  readonly #holders: ReplicaWatch | undefined
  readonly #mapped: MmapMonitor
  readonly #passthroughWritten: PassthroughWriteMonitor
  readonly damage: DamageWatch
  readonly #groups: GroupCommit | undefined
  #wakeThreads = (): Promise<void> => Promise.resolve()
  readonly #logger: Logger
  readonly #failures: RepeatedLog
  readonly #readahead: Readahead
  readonly #recovery: Recovery
  readonly #lock: DirectoryLock
  readonly #checkpointer: Checkpointer
  readonly #stop = new AbortController()
  readonly #housekeeping: NodeJS.Timeout
  readonly #removed: RemovedFiles

  private constructor(options: VolumeNodeOptions, opened: OpenedVolume) {
    const { cloud, logger } = options
    this.#logger = logger
    this.#failures = new RepeatedLog(logger)
    this.#lock = opened.lock
    this.identity = opened.identity
    this.cloud = cloud
    this.threadSettings = opened.settings
    this.thread = opened.thread
    this.locks = opened.locks
    const { cache, committer, engine } = this.thread
    this.#recovery = opened.recovery
    this.pages = opened.pages
    this.evictor = new Evictor(cache)
    cache.space.measure()
    this.peers = options.peers
    const held = options.peers && ChunkReplicas.open(cache, this.evictor, logger)
    const cluster = options.peers && held ? { peers: options.peers, held } : undefined
    this.fetcher = new Fetcher(cache, cloud, this.evictor, logger, cluster)
    if (held) {
      const { fetcher, evictor } = this
      this.exchange = new ChunkExchange({ ...cache, fetcher, evictor, held, logger })
    }
    this.#held = held
    this.#readahead = new Readahead(this.fetcher, chunksAhead(cache.settings), logger)
    const { link, replica } = opened
    this.replica = replica
    this.#link = link
    const { thread, peers } = this
    const copies = link && peers && new ChunkCopies({ ...cache, link, peers })
    this.#remote = link && replica && new RemoteCommits({ thread, link, replica, logger, copies })
    const marks = marksOf(engine, link)
    this.#holders = this.#watchHolders(marks)
    this.uploader = new Uploader({ ...cache, cloud, marks, progress: this.progress, logger })
    this.#groups = link ? undefined : new GroupCommit(cache, committer, logger)
    this.waitResolver = new WaitResolver({
      ...cache,
      committer,
      fetcher: this.fetcher,
      readahead: this.#readahead,
      evictor: this.evictor,
      uploader: this.uploader,
      progress: this.progress,
      remote: this.#remote,
      groups: this.#groups,
      pages: this.pages,
    })
    const told = { onChange: (ino: number) => this.pages.invalidate(ino), onFailure: this.#report }
    this.#passthroughWritten = new PassthroughWriteMonitor(cache, committer, told)
    this.damage = new DamageWatch({ ...cache, engine, fetcher: this.fetcher, logger })
    this.#mapped = new MmapMonitor({
      mapped: thread.mapped,
      resolveWait: (condition, how) => this.resolveWait(condition, how),
      commit: (ino) => this.#commit(ino),
      wakeThreads: () => this.#wakeThreads(),
    })
    this.#removed = new RemovedFiles(cache, () => this.#wakeThreads())
    this.trash = new TrashCollector(engine, cloud, logger, trashOf(engine, link))
    this.#checkpointer = this.#openCheckpointer()
    this.#housekeeping = setInterval(() => {
      this.#keepHouse()
    }, cacheLimits.housekeepingMs)
    if (replica) this.#joinCoordinator(replica)
    this.#groups?.start()
    this.uploader.start()
    this.damage.scrubber.start()
    this.#holders?.start()
  }

  static async open(options: VolumeNodeOptions): Promise<VolumeNode> {
    const { cloud, directory } = options
    if (!options.link && !existsSync(metadataPath(directory))) {
      // A first start changes nothing on this node unless the cloud can be used.
      checkIdentity(directory, undefined, cloud, await inspectCloud(cloud), true)
    }
    const lock = DirectoryLock.take(options.directory)
    try {
      return new VolumeNode(options, await openVolume(options, lock))
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** Resolves the wait condition of a suspended operation. */
  resolveWait(
    condition: unknown,
    how: { signal?: AbortSignal } = {},
  ): Promise<WaitResult | undefined> {
    const wanted = condition as WaitCondition | LockWaitCondition
    if (wanted.kind === 'lock') return this.locks!.resolveWait(wanted, how.signal)
    return this.waitResolver.resolveWait(wanted, how.signal)
  }

  /** Enables passthrough reads; returns why they are not possible, or undefined. */
  passThrough(): string | undefined {
    const { backings, settings, shared } = this.thread.cache
    const obstacle = backings.obstacle(settings.directory)
    shared.passthrough = obstacle === undefined
    return obstacle
  }

  /**
   * Connects the kernel of the mount, which from here on is notified of changes made by other ways.
   * `wakeThreads`: resolves when every thread of the mount has served a request.
   */
  attachKernel(
    caches: KernelCaches,
    { directMaps, wakeThreads }: { directMaps: boolean; wakeThreads: () => Promise<void> },
  ): void {
    this.#wakeThreads = wakeThreads
    const { cache, volume } = this.thread
    this.pages.caches = caches
    cache.shared.directMaps = directMaps
    // FORGETs of orphans may have been lost while no process served the mount.
    for (const ino of cache.shared.orphanInodes()) {
      if (!caches.knowsInode(ino)) volume.forget([[ino, 1]])
    }
  }

  /** Handles a message from a worker of the mount. */
  hint(message: unknown): void {
    const { ino, index } = message as FirstUse
    this.#readahead.seen(ino, index)
  }

  /**
   * Commits all changes and uploads the backlog, until `signal` aborts or an upload fails; the rest
   * stays in the journal.
   */
  async drain(signal: AbortSignal): Promise<void> {
    const { uploads, shared } = this.thread.cache
    await this.#groups?.stop()
    await this.#mapped.mountEnded(signal).catch(this.#report)
    this.#passthroughWritten.mountEnded()
    for (const ino of shared.dirtyInodes()) {
      if (this.#remote) await this.#remote.commit(ino, true, { signal }).catch(this.#report)
      else this.thread.committer.commit(ino)
    }
    try {
      const isDone = (): boolean =>
        uploads.oldestMs() === null || this.uploader.failure !== undefined
      await this.uploader.hurried(() => this.progress.until(isDone, signal))
    } catch {
      // Aborted: the next start continues with the rest.
    }
    const { count, bytes } = uploads.backlog()
    if (count > 0)
      this.#logger.warn(`${count} chunks (${bytes} bytes) go to the cloud at the next start`)
  }

  /** Resolves when everything written to a file, here and on other nodes, is in the cloud. */
  async durable(ino: number, signal?: AbortSignal): Promise<void> {
    const { engine } = this.thread
    await this.#mapped.absorb(ino, signal)
    await this.#commit(ino, signal)
    await this.waitResolver.durable(ino, signal)
    await this.progress.until(() => engine.read(countPendingUploads(ino)) === 0, signal)
  }

  async #commit(ino: number, signal?: AbortSignal): Promise<void> {
    if (this.#remote) await this.#remote.commit(ino, false, { signal })
    else this.thread.committer.commit(ino)
  }

  /** Makes the last durable version the content of a file again. ENODATA: there is none. */
  async restore(ino: number): Promise<void> {
    const { chunkSize } = this.thread.cache.settings
    if (!this.#link) {
      this.#restoreHere(ino)
      return
    }
    await this.#link.perform('restorePast', [ino, chunkSize, now()])
    this.replica?.restored(ino)
  }

  /** Public key of a node of the cluster; undefined: there is no such node, or it was revoked. */
  keyOf(id: string): string | undefined {
    const node = this.thread.engine.read(findNode(id))
    return node?.revoked === '' ? node.key : undefined
  }

  /** As `restore`, on a single-node volume; drops all chunks of the file. EBUSY: it is in use. */
  #restoreHere(ino: number): void {
    const { cache, committer, engine } = this.thread
    const { shared, settings } = cache
    this.pages.expect(ino)
    try {
      shared.withInode(ino, () => {
        const open = shared.findOpen(ino)
        const isUsed = open !== undefined && (open.ahead || open.backing !== 0 || open.mapped)
        if (isUsed) throw new FsError('EBUSY', 'programs have the file open: close it first')
        engine.write('restorePast', ino, settings.chunkSize, now())
        committer.forgetLocked(ino)
      })
      cache.lost.count()
    } finally {
      this.pages.caches?.forgetAttributes(ino)
      this.pages.drop(ino)
    }
  }

  /** Removes damaged chunks from the cache; call before bytes leave this node through its API. */
  verify(ino: number, offset: number, length: number): void {
    this.damage.verifier.require(ino, offset, length)
  }

  /** Path of a database in which SQLite has found damage since the start. */
  damagedDatabase(): string | undefined {
    const { shared, settings } = this.thread.cache
    if (shared.counter('metadataDamage') > 0) return metadataPath(settings.directory)
    if (shared.counter('nodeDatabaseDamage') > 0) return databasePath(settings.directory)
    return undefined
  }

  /** Whether this node has the bytes of a chunk that is not durable. */
  hasChunk(chunk: { ino: number; index: number; id: number }): boolean {
    return hasChunk(this.thread.cache, chunk)
  }

  /** Replicas for other nodes that this node has. */
  held(): { chunks: number; bytes: number } {
    return this.#held?.totals() ?? { chunks: 0, bytes: 0 }
  }

  async close(): Promise<void> {
    clearInterval(this.#housekeeping)
    this.#removed.stop()
    this.#stop.abort()
    await this.#groups?.stop()
    await this.#holders?.stop()
    await this.uploader.stop()
    await this.damage.stop()
    await this.trash.settled()
    await this.#link?.close()
    this.peers?.close()
    this.#recovery.markClean()
    await this.#checkpointer.close()
    this.thread.volume.close()
    await this.cloud.close()
    this.#lock.release()
  }

  /** With a coordinator and peers all the parts exist; on a single-node volume none does. */
  #watchHolders(marks: DurableMarks): ReplicaWatch | undefined {
    const { cloud, peers } = this
    const [link, remote, held] = [this.#link, this.#remote, this.#held]
    if (!link || !remote || !held || !peers) return undefined
    const { cache, engine, volume } = this.thread
    const isTrusted = (): boolean => monotonicMs() < cache.shared.validUntilMs
    return new ReplicaWatch({
      ...{ ...cache, cloud, engine, held, peers, link, remote, marks, isTrusted },
      durability: volume.durability,
      logger: this.#logger,
    })
  }

  /** From here on changes of other nodes are applied to the cache. */
  #joinCoordinator(replica: MetadataReplica): void {
    replica.attach(this.thread, (ino) => this.#remote?.recalled(ino))
    replica.reconcileAll()
    replica.onEffects = ({ durable, contents, purged }) => {
      for (const { id } of durable) void this.#held?.durable(id).catch(this.#report)
      for (const ino of contents) this.fetcher.renew(ino)
      for (const ino of [...contents, ...purged]) {
        void this.#held?.changed(ino).catch(this.#report)
      }
    }
  }

  /** Reports to the coordinator what changed here and commits closed files; called regularly. */
  #keepUp(): void {
    if (!this.replica || !this.#link || !this.#remote) return
    this.#link.closed(this.replica.takeClosed())
    this.#remote.commitClosed().catch(this.#report)
    if (Date.now() - this.#replicasSettledMs < volumeLimits.replicaSettleMs) return
    this.#replicasSettledMs = Date.now()
    void this.#held?.settle().catch(this.#report)
  }

  #openCheckpointer(): Checkpointer {
    const { cache, buffers } = this.threadSettings
    const setup = {
      directory: cache.directory,
      nodeDatabase: databasePath(cache.directory),
      metadataDatabase: metadataPath(cache.directory),
      buffers,
    }
    return new Checkpointer(setup, (error) => {
      this.#failures.error('databases', `databases: ${describe(error)}`)
    })
  }

  #keepHouse(): void {
    try {
      const { cache } = this.thread
      cache.space.measure()
      this.#passthroughWritten.look()
      this.damage.look(this.#report)
      const { maxUnsyncedSeconds } = cache.settings
      const oldest = maxUnsyncedSeconds > 0 ? cache.uploads.oldestMs() : null
      const isOverdue = oldest !== null && Date.now() - oldest > maxUnsyncedSeconds * 1000
      cache.shared.setCounter('overdue', isOverdue ? 1 : 0)
      if (!isOverdue) this.progress.announce()
      this.trash.collect(this.#stop.signal)
      this.#keepUp()
      void this.#mapped.look().catch(this.#report)
      if (!cache.space.hasRoom(0)) void this.evictor.makeRoom(0).catch(this.#report)
    } catch (error) {
      this.#report(error)
    }
  }

  readonly #report = (error: unknown): void => {
    this.#failures.error('housekeeping', 'housekeeping failed; tried again', { err: error })
  }
}

/** Readahead window of one reader in chunks: at most a quarter of the cache. */
function chunksAhead({ chunkSize, capacityBytes }: CacheSettings): number {
  return Math.min(volumeLimits.readaheadChunks, Math.floor(capacityBytes / chunkSize / 4))
}

function trashOf(engine: MetadataEngine, link: CoordinatorLink | undefined): TrashStore {
  if (!link) return { empty: (ids) => engine.write('emptyTrash', ids), isOurs: () => true }
  return {
    empty: async (ids) => {
      await link.perform('emptyTrash', [ids])
    },
    isOurs: () => link.isFirst,
  }
}

/**
 * One node's volume, opened: identity checked, databases recovered, background work running
 * (upload, eviction, checkpoints, deletion). What the mount, the API and the tools act on. Main
 * thread.
 *
 * Invariant: until `open` has resolved nothing was changed that a failed start would have to undo.
 */
import { existsSync } from 'node:fs'
import type { Outcome } from '../base/blocked.ts'
import { codeOf, describe } from '../base/fs-error.ts'
import { now } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { Checkpointer } from '../cache/checkpointer.ts'
import { Evictor } from '../cache/evictor.ts'
import { Fetcher } from '../cache/fetcher.ts'
import type { Need } from '../cache/need.ts'
import { databasePath, type CacheSettings } from '../cache/node-cache.ts'
import { NodeDatabase } from '../cache/node-database.ts'
import { Pressure } from '../cache/pressure.ts'
import { Progress } from '../cache/progress.ts'
import { Readahead } from '../cache/readahead.ts'
import { Recovery } from '../cache/recovery.ts'
import { allocateSharedBuffers, SharedState } from '../cache/shared-state.ts'
import { Uploader } from '../cache/uploader.ts'
import { limits } from '../limits.ts'
import { listOrphans } from '../metadata/chunk-rules.ts'
import { SCHEMA } from '../metadata/schema.ts'
import { SqliteEngine } from '../metadata/sqlite/sqlite-engine.ts'
import { getSetting, totals } from '../metadata/volume-rules.ts'
import { BackingFiles } from '../tiers/nvme/backing-files.ts'
import type { TierStorage } from '../tiers/tier-storage.ts'
import { DirectoryLock } from './directory-lock.ts'
import { TrashCollector } from './trash-collector.ts'
import {
  checkIdentity,
  newIdentity,
  readIdentity,
  writeIdentity,
  type VolumeIdentity,
} from './volume-identity.ts'
import {
  metadataPath,
  openVolumeThread,
  type FirstUse,
  type ThreadSettings,
  type VolumeThread,
} from './volume-thread.ts'

export interface VolumeNodeOptions extends CacheSettings {
  cloud: TierStorage
  /** Directory whose file system bounds what can be stored: the bucket's, where it is one. */
  spaceDirectory: string
  logger: Logger
}

export class VolumeNode {
  readonly identity: VolumeIdentity
  readonly thread: VolumeThread
  readonly threadSettings: ThreadSettings
  readonly cloud: TierStorage
  readonly uploader: Uploader
  readonly evictor: Evictor
  readonly fetcher: Fetcher
  readonly pressure: Pressure
  readonly progress: Progress
  readonly trash: TrashCollector
  readonly #logger: Logger
  readonly #readahead: Readahead
  readonly #recovery: Recovery
  readonly #lock: DirectoryLock
  readonly #checkpointer: Checkpointer
  readonly #stop = new AbortController()
  readonly #housekeeping: NodeJS.Timeout

  private constructor(options: VolumeNodeOptions, opened: OpenedVolume) {
    const { cloud, logger } = options
    this.#logger = logger
    this.#lock = opened.lock
    this.identity = opened.identity
    this.cloud = cloud
    this.threadSettings = opened.settings
    this.thread = opened.thread
    const { cache, committer, engine } = this.thread
    this.#recovery = opened.recovery
    this.progress = new Progress()
    this.evictor = new Evictor(cache)
    this.evictor.measure()
    this.fetcher = new Fetcher(cache, cloud, this.evictor, logger)
    const { chunkSize, capacityBytes } = cache.settings
    const ahead = Math.min(limits.readaheadChunks, Math.floor(capacityBytes / chunkSize / 4))
    this.#readahead = new Readahead(this.fetcher, ahead, logger)
    this.uploader = new Uploader(cache, cloud, this.progress, logger)
    this.pressure = new Pressure({
      cache,
      committer,
      fetcher: this.fetcher,
      readahead: this.#readahead,
      evictor: this.evictor,
      uploader: this.uploader,
      progress: this.progress,
      remote: undefined,
    })
    this.trash = new TrashCollector(engine, cloud, logger)
    this.#checkpointer = this.#openCheckpointer()
    this.#housekeeping = setInterval(() => {
      this.#keepHouse()
    }, limits.housekeepingMs)
    this.uploader.start()
  }

  static async open(options: VolumeNodeOptions): Promise<VolumeNode> {
    const { cloud, directory } = options
    if (!existsSync(metadataPath(directory))) {
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

  /** Brings about what an operation is blocked by. */
  satisfy(need: unknown, how: { signal?: AbortSignal } = {}): Promise<Outcome | undefined> {
    return this.pressure.satisfy(need as Need, how.signal)
  }

  /** A word from a worker of the mount. */
  hint(message: unknown): void {
    const { ino, index } = message as FirstUse
    this.#readahead.seen(ino, index)
  }

  /** Uploads what is left, up to a bound; the rest stays in the journal. */
  async drain(signal: AbortSignal): Promise<void> {
    const { database, shared } = this.thread.cache
    for (const ino of shared.dirtyInodes()) this.thread.committer.commit(ino)
    try {
      const isDone = (): boolean =>
        database.oldestUploadMs() === null || this.uploader.failure !== undefined
      await this.uploader.hurried(() => this.progress.until(isDone, signal))
    } catch {
      // Bounded: what is left goes on at the next start.
    }
    const { count, bytes } = database.backlog()
    if (count > 0)
      this.#logger.warn(`${count} chunks (${bytes} bytes) go to the cloud at the next start`)
  }

  async close(): Promise<void> {
    clearInterval(this.#housekeeping)
    this.#stop.abort()
    await this.uploader.stop()
    await this.trash.settled()
    this.#recovery.markClean()
    await this.#checkpointer.close()
    this.thread.volume.close()
    await this.cloud.close()
    this.#lock.release()
  }

  #openCheckpointer(): Checkpointer {
    const { cache, buffers } = this.threadSettings
    const setup = {
      nodeDatabase: databasePath(cache.directory),
      metadataDatabase: metadataPath(cache.directory),
      buffers,
    }
    return new Checkpointer(setup, (error) => {
      this.#logger.error(`databases: ${describe(error)}`)
    })
  }

  #keepHouse(): void {
    try {
      const { cache } = this.thread
      this.evictor.measure()
      const { maxUnsyncedSeconds } = cache.settings
      const oldest = maxUnsyncedSeconds > 0 ? cache.database.oldestUploadMs() : null
      const isOverdue = oldest !== null && Date.now() - oldest > maxUnsyncedSeconds * 1000
      cache.shared.setCounter('overdue', isOverdue ? 1 : 0)
      if (!isOverdue) this.progress.announce()
      this.trash.collect(this.#stop.signal)
      if (!this.evictor.hasRoom(0)) void this.evictor.makeRoom(0).catch(this.#report)
    } catch (error) {
      this.#report(error)
    }
  }

  readonly #report = (error: unknown): void => {
    this.#logger.error({ err: error }, 'housekeeping failed; tried again')
  }
}

interface OpenedVolume {
  lock: DirectoryLock
  identity: VolumeIdentity
  settings: ThreadSettings
  thread: VolumeThread
  recovery: Recovery
}

async function openVolume(options: VolumeNodeOptions, lock: DirectoryLock): Promise<OpenedVolume> {
  const { cloud, logger, spaceDirectory, ...cache } = options
  const buffers = allocateSharedBuffers()
  const shared = new SharedState(buffers)
  const engine = openMetadata(options.directory, shared)
  let identity: VolumeIdentity
  try {
    identity = await agreeOnIdentity(options, engine)
    engine.write('createRoot', now())
  } finally {
    engine.close()
  }
  if (identity.chunkSize !== cache.chunkSize) {
    logger.warn(`the volume has chunks of ${identity.chunkSize} bytes; -chunk-size is ignored`)
    cache.chunkSize = identity.chunkSize
  }
  NodeDatabase.prepare(databasePath(options.directory), shared.nodeDatabase)
  BackingFiles.prepare(options.directory)
  const settings = { cache, buffers, spaceDirectory, cloudName: cloud.name }
  const thread = openVolumeThread(settings, () => undefined)
  const recovery = new Recovery(thread.cache, thread.committer, logger)
  recovery.run()
  purgeOrphans(thread)
  const { files, bytes } = thread.engine.read(totals())
  thread.cache.shared.setCounter('volumeFiles', files)
  thread.cache.shared.setCounter('volumeBytes', bytes)
  return { lock, identity, settings, thread, recovery }
}

function openMetadata(directory: string, shared: SharedState): SqliteEngine {
  const engine = new SqliteEngine(metadataPath(directory), shared.metadataDatabase)
  try {
    for (const statement of SCHEMA) engine.execute(statement)
    return engine
  } catch (error) {
    engine.close()
    throw error
  }
}

/** The volume of both the directory and the bucket; a new one where neither has one. */
async function agreeOnIdentity(
  { cloud, directory, chunkSize, logger }: VolumeNodeOptions,
  engine: SqliteEngine,
): Promise<VolumeIdentity> {
  const known = engine.read(getSetting('identity'))
  const isNew = engine.read(getSetting('established')) === undefined
  const identity = known ? (JSON.parse(known) as VolumeIdentity) : newIdentity(chunkSize)
  try {
    const remote = await inspectCloud(cloud)
    checkIdentity(directory, known && identity.volume, cloud, remote, isNew)
    if (known === undefined) engine.write('setSetting', 'identity', JSON.stringify(identity))
    if (remote === undefined) await writeIdentity(cloud, identity)
    if (isNew) engine.write('setSetting', 'established', '1')
  } catch (error) {
    const isAway = codeOf(error) === 'EIO' || codeOf(error) === 'ETIMEDOUT'
    if (isNew || !isAway) throw error
    logger.warn(`starting without the cloud: ${describe(error)}`)
  }
  return identity
}

async function inspectCloud(cloud: TierStorage): Promise<VolumeIdentity | undefined> {
  await cloud.check()
  return await readIdentity(cloud)
}

/** Files without a name that were open when the process ended. */
function purgeOrphans({ engine, cache, committer }: VolumeThread): void {
  for (;;) {
    const orphans = engine.read(listOrphans(limits.trashBatch))
    if (orphans.length === 0) return
    for (const ino of orphans) {
      cache.shared.withInode(ino, () => {
        engine.write('purgeInode', ino)
        committer.forgetLocked(ino)
      })
    }
  }
}

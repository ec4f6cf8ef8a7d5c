/**
 * Opens a volume on this node: checks its identity against the bucket (and the coordinator, if
 * there is one), creates the databases, and recovers what an earlier process left. Starts no
 * background work.
 *
 * Invariant: a start that fails has changed nothing that would have to be undone.
 */
import { codeOf, describe } from '../base/fs-error.ts'
import type { HeldLock } from '../base/file-lock.ts'
import { now } from '../base/clock.ts'
import type { Logger } from '../base/log/logger.ts'
import { isDatabaseDamage } from '../base/sqlite-database.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import { databasePath, type CacheSettings } from '../cache/state/cache-settings.ts'
import { NodeDatabase } from '../cache/state/node-database.ts'
import type { WrittenInode } from '../cache/state/open-table.ts'
import { Recovery } from '../cache/state/recovery.ts'
import type { SharedState } from '../cache/state/shared-state.ts'
import { cacheLimits } from '../cache/limits.ts'
import { volumeLimits } from './limits.ts'
import { listOrphans } from '../metadata/chunk-rules.ts'
import type { Durability } from '../metadata/durability.ts'
import { REPLICA_SCHEMA, SCHEMA } from '../metadata/schema.ts'
import { keepTotals, keptTotals } from '../metadata/sqlite/kept-totals.ts'
import { SqliteEngine } from '../metadata/sqlite/sqlite-engine.ts'
import { getSetting, randomSkips } from '../metadata/volume-rules.ts'
import { BackingFiles } from '../tiers/nvme/backing-files.ts'
import type { TierStorage } from '../tiers/tier-storage.ts'
import type { DirectoryLock } from './folder/directory-lock.ts'
import type { PeersTier } from '../tiers/peers/peers-tier.ts'
import type { CoordinatorLink } from './cluster/coordinator-link.ts'
import { openOrQuarantine } from './folder/damaged-database.ts'
import { NamesBefore } from './folder/names-before.ts'
import { settleOlderCopies } from './folder/older-copies.ts'
import { StrayContent } from './folder/stray-content.ts'
import { HANDOVER_SCHEMA, MountHandover, type MountIdentity } from './kernel/mount-handover.ts'
import type { LockService } from './locks/lock-service.ts'
import { NodeLocks } from './locks/node-locks.ts'
import { KernelPages } from './kernel/kernel-pages.ts'
import { MetadataReplica } from './cluster/metadata-replica.ts'
import { PendingUploadClaims } from './cluster/pending-upload-claims.ts'
import { marksOf } from './durable-marks.ts'
import {
  checkIdentity,
  newIdentity,
  parseIdentity,
  readIdentity,
  writeIdentity,
  type VolumeIdentity,
} from './folder/volume-identity.ts'
import {
  metadataPath,
  openVolumeThread,
  type ThreadSettings,
  type VolumeThread,
} from './volume-thread.ts'

export interface VolumeNodeOptions extends CacheSettings {
  cloud: TierStorage
  /**
   * Directory whose file system bounds what can be stored: that of the bucket if it is a folder.
   */
  spaceDirectory: string
  /** Default durability, where no directory has a policy. */
  durability: Durability
  logger: Logger
  /** Code of an older `volume.db` that is accepted (folder/older-copies.ts). */
  acceptOlderNames?: string | undefined
  /** Coordinator that keeps the metadata; undefined: a single-node volume. */
  link?: CoordinatorLink | undefined
  /** Keeps the file locks of all nodes; undefined: the kernel keeps them, for this node only. */
  locks?: LockService | undefined
  /** Set if the mount outlives this process or has outlived its predecessor. */
  mount?: MountIdentity | undefined
  /** Other nodes, as sources of chunks. */
  peers?: PeersTier | undefined
}

const VOLUME_SCHEMA = [...SCHEMA, REPLICA_SCHEMA, ...HANDOVER_SCHEMA]

/** Uncommitted writes of the previous process. */
type Written = Map<number, WrittenInode>

export interface OpenedVolume {
  lock: DirectoryLock
  identity: VolumeIdentity
  settings: ThreadSettings
  thread: VolumeThread
  recovery: Recovery
  link: CoordinatorLink | undefined
  replica: MetadataReplica | undefined
  pages: KernelPages
  locks: NodeLocks | undefined
}

export async function openVolume(
  options: VolumeNodeOptions,
  lock: DirectoryLock,
): Promise<OpenedVolume> {
  const { cloud, logger, spaceDirectory, durability, link, ...others } = options
  const { peers: _peers, locks: service, mount, acceptOlderNames, ...cache } = others
  const isOlder = settleOlderCopies({
    directory: options.directory,
    isClustered: link !== undefined,
    acceptedNames: acceptOlderNames,
    logger,
  })
  const handover = new MountHandover(options.directory, mount)
  const { buffers, shared } = handover
  const pages = new KernelPages(shared, logger)
  BackingFiles.prepare(options.directory)
  const engine = openMetadata(options, shared)
  const left = handover.takeOver(engine)
  const locks = service && openLocks(service, left.locks, handover.lockNotes(engine), logger)
  const names = new NamesBefore(options.directory, logger)
  let identity: VolumeIdentity
  let replica: MetadataReplica | undefined
  try {
    if (link) {
      replica = new MetadataReplica({ engine, names, shared, pages, self: link.peerId, logger })
      for (const ino of left.orphans) replica.hold(ino)
      await link.open(replica)
      identity = await joinVolume(options, engine, link)
    } else {
      identity = await agreeOnIdentity(options, engine)
      engine.write('createRoot', now())
      engine.write('skipNumbers', randomSkips())
    }
  } catch (error) {
    await link?.close()
    engine.close()
    throw error
  }
  if (!link) engine.close()
  if (identity.chunkSize !== cache.chunkSize) {
    logger.warn(`the volume has chunks of ${identity.chunkSize} bytes; -chunk-size is ignored`)
    cache.chunkSize = identity.chunkSize
  }
  const isNew = prepareNodeDatabase(options, shared)
  const settings = {
    cache,
    buffers,
    lockMarks: locks?.marks,
    spaceDirectory,
    cloudName: cloud.name,
    durability,
    isReplica: link !== undefined,
    mountId: mount?.id,
    connection: mount?.connection,
  }
  const thread = openVolumeThread(settings, () => undefined, {
    kernelKnows: (ino) => pages.caches?.knowsInode(ino) === true,
  })
  const written = handover.written()
  await settleContent(thread, options, { names, isOlder, isNew, written })
  const recovery = new Recovery(thread.cache, thread.committer, logger)
  const { index } = thread.cache
  recovery.run((ino, base) => replica?.baseOf(ino, base) ?? index.file(ino).version, {
    resumed: mount?.isResumed,
    written,
  })
  handover.settled()
  if (!link) purgeOrphans(thread)
  return { lock, identity, settings, thread, recovery, link, replica, pages, locks }
}

function openLocks(
  service: LockService,
  held: HeldLock[],
  note: ReturnType<MountHandover['lockNotes']>,
  logger: Logger,
): NodeLocks {
  const failures = new RepeatedLog(logger)
  const onFailure = (error: unknown): void => {
    failures.warn('locks', `file locks: ${describe(error)}`)
  }
  const locks = new NodeLocks(service, { onFailure, held, note })
  service.attach?.(locks)
  return locks
}

/**
 * Makes the content on this node that of the names, if one of the databases is new or restored.
 * `isOlder`: the names of a single-node volume are from a backup.
 */
async function settleContent(
  thread: VolumeThread,
  options: VolumeNodeOptions,
  how: { names: NamesBefore; isOlder: boolean; isNew: boolean; written: Written },
): Promise<void> {
  const { names, isOlder, isNew, written } = how
  const before = names.open()
  const isRestored = isOlder || before !== undefined
  const stray = new StrayContent({ thread, before, written, logger: options.logger })
  if (isRestored) stray.takeOut()
  else if (isNew) stray.takeOutWritten()
  await claimPendingUploads(thread, options, { isNew, isRestored, written })
  if (before) names.settle(before, metadataPath(options.directory))
}

/** Returns whether the database was created just now. */
function prepareNodeDatabase(
  { directory, logger }: VolumeNodeOptions,
  shared: SharedState,
): boolean {
  const path = databasePath(directory)
  const prepare = (): boolean => NodeDatabase.prepare(path, shared.nodeDatabase)
  const rebuilt = 'what is in the cloud comes from there, what waits for upload from the disk'
  return openOrQuarantine(path, prepare, { logger, rebuilt })
}

/**
 * In a cluster, a node that still has its database reports later which chunks it lacks
 * (volume/cluster/replica-watch.ts).
 */
async function claimPendingUploads(
  { cache, engine }: VolumeThread,
  { cloud, link, logger }: VolumeNodeOptions,
  how: { isNew: boolean; isRestored: boolean; written: Written },
): Promise<void> {
  const { isNew, isRestored, written } = how
  const self = link?.peerId
  if (!isNew && !isRestored && self !== undefined) return
  const isWritten = (ino: number): boolean => written.has(ino)
  const marks = marksOf(engine, link)
  const parts = { ...cache, engine, self, isNew, isRestored, isWritten, cloud, marks, logger }
  await new PendingUploadClaims(parts).run()
}

/** With a coordinator the local metadata is a copy, so a damaged one can be replaced. */
function openMetadata(
  { directory, link, logger }: VolumeNodeOptions,
  shared: SharedState,
): SqliteEngine {
  const path = metadataPath(directory)
  if (!link) return prepareMetadata(path, shared, logger)
  const rebuilt = 'the names come from the coordinator again'
  return openOrQuarantine(path, () => prepareMetadata(path, shared), { logger, rebuilt })
}

/** `logger`: given if damage that SQLite can work around is only logged. */
function prepareMetadata(path: string, shared: SharedState, logger?: Logger): SqliteEngine {
  const engine = new SqliteEngine(path, shared.metadataDatabase)
  try {
    for (const statement of VOLUME_SCHEMA) engine.execute(statement)
    engine.requireColumns(VOLUME_SCHEMA.join(';'))
    keepTotals(engine)
    checkMetadata(engine, shared, logger)
    return engine
  } catch (error) {
    engine.close()
    throw error
  }
}

function checkMetadata(engine: SqliteEngine, shared: SharedState, logger?: Logger): void {
  try {
    engine.check(cacheLimits.databaseCheckBytes)
  } catch (error) {
    if (!logger || !isDatabaseDamage(error)) throw error
    shared.add('metadataDamage', 1)
    logger.error(describe(error))
  }
}

/** The volume of the directory and the bucket; a new one if neither has one. */
async function agreeOnIdentity(
  { cloud, directory, chunkSize, logger }: VolumeNodeOptions,
  engine: SqliteEngine,
): Promise<VolumeIdentity> {
  const known = engine.read(getSetting('identity'))
  const isNew = engine.read(getSetting('established')) === undefined
  const identity = known ? parseIdentity(known) : newIdentity(chunkSize)
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

/**
 * The volume of the coordinator, which must be that of the bucket; a new one if neither has one.
 */
async function joinVolume(
  { cloud, directory, chunkSize, logger }: VolumeNodeOptions,
  engine: SqliteEngine,
  link: CoordinatorLink,
): Promise<VolumeIdentity> {
  const claim = JSON.stringify(newIdentity(chunkSize))
  const known = engine.read(getSetting('identity'))
  const agreed = known ?? (await link.perform('claimSetting', ['identity', claim]))
  const identity = parseIdentity(agreed)
  try {
    const remote = await inspectCloud(cloud)
    // Until a file has been stored, the bucket may be new and without an identity.
    const isNew = engine.read(keptTotals()).files <= 1
    checkIdentity(directory, identity.volume, cloud, remote, isNew)
    if (remote === undefined) await writeIdentity(cloud, identity)
  } catch (error) {
    if (codeOf(error) !== 'EIO' && codeOf(error) !== 'ETIMEDOUT') throw error
    logger.warn(`starting without the cloud: ${describe(error)}`)
  }
  return identity
}

export async function inspectCloud(cloud: TierStorage): Promise<VolumeIdentity | undefined> {
  await cloud.check()
  return await readIdentity(cloud)
}

/** Purges inodes without a name that were open when the process ended and are not open any more. */
function purgeOrphans({ engine, cache, committer }: VolumeThread): void {
  for (let after = 0; ;) {
    const orphans = engine.read(listOrphans(after, volumeLimits.trashBatch))
    if (orphans.length === 0) return
    after = orphans.at(-1)!
    for (const ino of orphans) {
      cache.shared.withInode(ino, () => {
        if (cache.shared.findOpen(ino)) return
        engine.write('purgeInode', ino)
        committer.forgetLocked(ino)
      })
    }
  }
}

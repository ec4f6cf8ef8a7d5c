/**
 * One node in this process: starts cluster link, volume, API and mount, in this order; stops API,
 * mount and volume, in this order.
 *
 * Invariant: a start that fails leaves nothing running.
 */
import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FsError } from '../base/fs-error.ts'
import { loggerOf, type Logger } from '../base/log/logger.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import { siblingModule } from '../base/sibling-module.ts'
import { LinkLocks } from '../coordinator/locks/link-locks.ts'
import { FuseServer } from '../fuse/fuse-server.ts'
import { canMapDirect, canPassThrough } from '../fuse/wire/handshake.ts'
import type { ApiServer } from '../http/server/api-server.ts'
import { serveNodeApi } from '../http/node/node-api.ts'
import { coordinatorLimits } from '../coordinator/limits.ts'
import { nodeLimits } from './limits.ts'
import { volumeLimits } from '../volume/limits.ts'
import { openCloudTier, type CloudTierOptions } from '../tiers/cloud/open-cloud-tier.ts'
import { VolumeFiles, type Changes } from '../volume/paths/volume-files.ts'
import { VolumeNode } from '../volume/volume-node.ts'
import { packageVersion } from '../base/package-version.ts'
import type { Daemon } from '../daemon/daemon.ts'
import { NodeCluster } from './node-cluster.ts'
import { NodeOperations } from './node-operations.ts'
import type { CloudOptions, KeyedOptions, NodeOptions } from '../options/node-options.ts'
import type { RunningNode } from '../daemon/running-node.ts'

export async function startNode(
  options: KeyedOptions,
  { logger, daemon }: { logger: Logger; daemon: Daemon },
): Promise<RunningNode> {
  const failed = Promise.withResolvers<never>()
  // The caller awaits it in a race; an earlier failure must not count as an unhandled rejection.
  failed.promise.catch(() => undefined)
  const cluster =
    options.coordinator === 'embedded'
      ? undefined
      : new NodeCluster(options, options.coordinator.split(','), daemon)
  const node = await openVolume(options, cluster, daemon)
  const changes = new KernelChanges(logger)
  let api: ApiServer | undefined
  try {
    const served = await serveApi(options, { node, changes, cluster, daemon })
    api = served.api
    const server = await mount(options, node, daemon)
    changes.server = server
    passThrough(options, node, server)
    node.attachKernel(server, {
      directMaps: canMapDirect(server.negotiated),
      wakeThreads: () => wakeThreads(options),
    })
    cluster?.announce(advertisedUrl(options, api.url), () => served.operations.report())
    void server.closed.then(() => {
      failed.reject(new FsError('ENODEV', `${server.mountPoint} was unmounted from outside`))
    })
    return running({ node, api, server, changes, cluster, failed: failed.promise })
  } catch (error) {
    await api?.close()
    await node.close()
    throw error
  }
}

interface Parts {
  node: VolumeNode
  api: ApiServer
  server: FuseServer
  changes: KernelChanges
  cluster: NodeCluster | undefined
  failed: Promise<never>
}

function running({ node, api, server, changes, cluster, failed }: Parts): RunningNode {
  const stop = async (): Promise<void> => {
    changes.server = undefined
    cluster?.stop()
    await api.close()
    await server.close()
    await node.drain(AbortSignal.timeout(nodeLimits.drainMs))
    await node.close()
  }
  let stopping: Promise<void> | undefined
  return {
    mount: { mountPoint: server.mountPoint, negotiated: server.negotiated },
    apiUrl: api.url,
    stop: () => (stopping ??= stop()),
    failed,
  }
}

async function serveApi(
  options: KeyedOptions,
  {
    node,
    changes,
    cluster,
    daemon,
  }: { node: VolumeNode; changes: Changes; cluster: NodeCluster | undefined; daemon: Daemon },
): Promise<{ api: ApiServer; operations: NodeOperations }> {
  const files = new VolumeFiles({
    volume: node.thread.volume,
    resolveWait: (condition, how) => node.resolveWait(condition, how),
    changes,
    verify: (ino, offset, length) => node.verify(ino, offset, length),
    onLateFailure: (error) => loggerOf('API').error({ err: error }, 'closing a file failed'),
  })
  const version = packageVersion()
  const facts = { mountPoint: options.mountPoint, cluster: cluster?.view, version, daemon }
  const operations = new NodeOperations(node, files, facts)
  const api = await serveNodeApi(
    {
      files,
      node: operations,
      chunks: node.exchange,
      peerTokens: cluster?.checkOf((id) => node.keyOf(id)),
      apiKey: options.apiKey,
      metricsToken: options.metricsToken,
      maxUploadBytes: options.uploadLimitBytes,
      version,
      logger: loggerOf('API'),
    },
    { host: options.host, port: options.port },
  )
  return { api, operations }
}

/** URL at which other nodes reach this one. */
function advertisedUrl({ advertisedHost }: NodeOptions, url: string): string {
  if (advertisedHost === undefined) return url
  const host = advertisedHost.includes(':') ? `[${advertisedHost}]` : advertisedHost
  return `http://${host}:${new URL(url).port}`
}

async function openVolume(
  options: NodeOptions,
  cluster: NodeCluster | undefined,
  { connection, mountId }: Daemon,
): Promise<VolumeNode> {
  const { cloud: where, nvmeDir } = options
  const cloud = await openCloudTier(tierOptions(where), options)
  try {
    return await VolumeNode.open({
      cloud,
      directory: nvmeDir,
      spaceDirectory: where.provider === 'file' ? where.dir : nvmeDir,
      chunkSize: options.chunkSizeBytes,
      capacityBytes: options.nvmeCapacityBytes,
      freeFloorBytes: freeFloorBytes(options),
      maxUnsyncedBytes: options.maxUnsyncedBytes ?? Infinity,
      passthroughFromBytes: options.passthrough === 'always' ? 1 : nodeLimits.passthroughLeastBytes,
      maxUnsyncedSeconds: (options.maxUnsyncedMs ?? 0) / 1000,
      durability: options.durability,
      acceptOlderNames: options.acceptOlderNames,
      logger: loggerOf('CACHE'),
      link: cluster?.link,
      peers: cluster?.peers,
      locks: cluster && new LinkLocks(cluster.link),
      mount: {
        id: mountId,
        isResumed: connection.resumed !== undefined,
        connection: connection.fd,
      },
    })
  } catch (error) {
    await cloud.close()
    throw error
  }
}

function tierOptions(cloud: CloudOptions): CloudTierOptions {
  return cloud.provider === 'file' ? { provider: 'file', directory: cloud.dir } : cloud
}

/**
 * The free-space floor in bytes. A fraction refers to the disk of the directory, or of its nearest
 * existing parent.
 */
function freeFloorBytes({ nvmeDir, nvmeFreeFloor }: NodeOptions): number {
  if ('bytes' in nvmeFreeFloor) return nvmeFreeFloor.bytes
  let there = nvmeDir
  while (!existsSync(there)) there = dirname(there)
  const { blocks, bsize } = statfsSync(there)
  return Math.floor(blocks * bsize * nvmeFreeFloor.fraction)
}

function mount(
  options: NodeOptions,
  node: VolumeNode,
  { connection, die }: Daemon,
): Promise<FuseServer> {
  const logger = loggerOf('FUSE')
  if (!connection.resumed) makeMountPoint(options.mountPoint)
  return FuseServer.open({
    mountPoint: options.mountPoint,
    source: options.fsname ?? node.cloud.name,
    remoteLocks: node.locks !== undefined,
    persistentInodes: true,
    passthrough: options.passthrough !== 'off',
    fileSystem: node.thread.volume,
    worker: {
      module: siblingModule(import.meta.url, '../volume/volume-thread'),
      data: node.threadSettings,
      count: options.fuseThreads,
    },
    timeouts: node.replica ? SHARED_TIMEOUTS : OWN_TIMEOUTS,
    resolveWait: (condition, how) => node.resolveWait(condition, how),
    onHint: (message) => {
      node.hint(message)
    },
    onFatal: die,
    connection,
    log: (line) => {
      logger.warn(line)
    },
    ...(options.trace ? { traceFd: 2 } : {}),
  })
}

/** Enables passthrough if the kernel and the disk support it; otherwise logs the obstacle. */
function passThrough(options: NodeOptions, node: VolumeNode, { negotiated }: FuseServer): void {
  const logger = loggerOf('FUSE')
  const obstacle =
    options.passthrough === 'off'
      ? 'switched off'
      : canPassThrough(negotiated)
        ? node.passThrough()
        : 'the kernel does not offer it (Linux 6.9 does)'
  if (obstacle === undefined) logger.info('cached files are read at the speed of the disk')
  else logger.info(`no passthrough, cached files are read through this process: ${obstacle}`)
}

/** Sends enough requests to wake every worker: the kernel gives them to idle readers in turn. */
async function wakeThreads({ mountPoint, fuseThreads }: NodeOptions): Promise<void> {
  for (let at = 0; at < 2 * fuseThreads; at++) await statfs(mountPoint)
}

/**
 * On a single-node volume every change passes this mount or is notified to it, so nothing the
 * kernel caches becomes stale.
 */
const OWN_TIMEOUTS = {
  entryMs: nodeLimits.kernelCacheMs,
  attributesMs: nodeLimits.kernelCacheMs,
  negativeMs: nodeLimits.kernelCacheMs,
}

/**
 * In a cluster other nodes change names, so the kernel asks for each and is answered from the local
 * copy. It drops cached attributes when notified (volume/cluster/metadata-replica.ts), and
 * otherwise after this time.
 */
const SHARED_TIMEOUTS = { entryMs: 0, attributesMs: coordinatorLimits.linkKernelMs, negativeMs: 0 }

/** If the path exists in any state, mounting reports what is wrong with it. */
function makeMountPoint(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    if (!['EEXIST', 'ENOTCONN'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/**
 * Invalidates kernel caches after changes that did not pass through the kernel; does nothing while
 * nothing is mounted.
 */
class KernelChanges implements Changes {
  readonly #failures: RepeatedLog
  server: FuseServer | undefined

  constructor(logger: Logger) {
    this.#failures = new RepeatedLog(logger)
  }

  entry(parent: number, name: Uint8Array): Promise<void> {
    return this.#bounded(this.server?.invalidateEntry(parent, name))
  }

  inode(ino: number): Promise<void> {
    return this.#bounded(this.server?.invalidateInode(ino))
  }

  /**
   * The wait is bounded: the kernel accepts a notification only when no request holds the inode.
   */
  async #bounded(told: Promise<void> | undefined): Promise<void> {
    const late = delay(volumeLimits.kernelNotifyMs, 'late', { ref: false })
    try {
      const outcome = await Promise.race([told, late])
      if (outcome === 'late')
        this.#failures.warn('late', 'the kernel takes its time to note a change')
    } catch (error) {
      this.#failures.warn('refused', 'the kernel could not be told of a change', { err: error })
    }
  }
}

/**
 * The options of a node, parsed and checked together: the flags of `bin/client`, which `cachefs up`
 * and `cachefs doctor` accept too. Errors are reported in one sentence before anything is started.
 */
import { sep } from 'node:path'
import type { Command } from 'commander'
import type { LogFormat, LogLevel } from '../base/log/logger.ts'
import { copiesOf, type Durability } from '../metadata/durability.ts'
import { addFlags, readFlags } from './flag.ts'
import type { Defaults, Environment } from './flag.ts'
import { checkExposure } from './loopback.ts'
import { NODE_FLAGS, givenJoinToken, givenKey } from './node-flags.ts'
import type { NodeFlagValues } from './node-flags.ts'
import { UsageError } from './usage-error.ts'

/** The cache must hold at least one chunk being read and one being written. */
const CHUNKS_MIN = 2

export type CloudOptions =
  | { provider: 'file'; dir: string }
  | { provider: 's3'; bucket: string; region: string; endpoint: string | undefined }
  | {
      provider: 'azure'
      account: string
      key: string
      container: string
      endpoint: string | undefined
    }

export interface NodeOptions {
  /** Absolute. */
  mountPoint: string
  /** Absolute. */
  nvmeDir: string
  /** Source in the mount table; undefined: the location of the volume. */
  fsname: string | undefined
  nvmeCapacityBytes: number
  /** Free space to leave on the file system of the NVMe directory. */
  nvmeFreeFloor: { bytes: number } | { fraction: number }
  /** `host:port`, comma separated if there are several, or `embedded`. */
  coordinator: string
  /** Address the API listens on. */
  host: string
  /** 0: any free port. */
  port: number
  /** Address at which other nodes reach this one, if known. */
  advertisedHost: string | undefined
  /** Undefined: the node generates one and keeps it. */
  peerId: string | undefined
  chunkSizeBytes: number
  /** The given key; undefined: the node finds or generates one. */
  apiKey: string | undefined
  /**
   * Token for joining a cluster; undefined: the node joins with the API key, or has already joined.
   */
  joinToken: string | undefined
  /** As `apiKey`. */
  metricsToken: string | undefined
  cloud: CloudOptions
  /** Create the folder, bucket or container of the cloud if it does not exist. */
  create: boolean
  durability: Durability
  /** Code of an older `volume.db` on which the node may start. */
  acceptOlderNames: string | undefined
  maxUnsyncedBytes: number | undefined
  maxUnsyncedMs: number | undefined
  fuseThreads: number
  /** Which files the kernel may read and write itself: large ones (auto), all, or none. */
  passthrough: 'auto' | 'always' | 'off'
  /** Log every request of the kernel. */
  trace: boolean
  logLevel: LogLevel
  logFormat: LogFormat
  /** Largest body of a PUT, bytes. */
  uploadLimitBytes: number
}

/** Options of a node that is about to start, with its keys. */
export interface KeyedOptions extends NodeOptions {
  apiKey: string
  /** The API key is the cluster's, not the node's own. */
  hasClusterKey: boolean
  metricsToken: string
}

export type NodeDefaults = Defaults<typeof NODE_FLAGS>

export function addNodeFlags(command: Command, defaults?: NodeDefaults): void {
  addFlags(command, NODE_FLAGS, defaults)
}

/** Options of a parsed command. UsageError: the message has the remedy. */
export function readNodeOptions(
  command: Command,
  environment: Environment,
  defaults?: NodeDefaults,
): NodeOptions {
  const values = readFlags(command, NODE_FLAGS, environment, defaults)
  const options = assemble(values)
  checkPlaces(options)
  checkDurability(options)
  checkExposure(options.host, options.apiKey ?? options.joinToken)
  return options
}

function assemble(values: NodeFlagValues): NodeOptions {
  const nvmeCapacityBytes = values['nvme-capacity']
  const chunkSizeBytes = values['chunk-size']
  if (nvmeCapacityBytes < CHUNKS_MIN * chunkSizeBytes) {
    throw new UsageError(
      `--nvme-capacity: has to hold ${CHUNKS_MIN} chunks (--chunk-size) at least`,
    )
  }
  const advertisedHost = values['advertised-host']
  return {
    mountPoint: values.mount,
    nvmeDir: values.nvme,
    fsname: values.fsname,
    nvmeCapacityBytes,
    nvmeFreeFloor: values['nvme-free-floor'],
    coordinator: values.coordinator,
    host: values.host ?? (advertisedHost === undefined ? '127.0.0.1' : '0.0.0.0'),
    port: values.port,
    advertisedHost,
    peerId: values['peer-id'],
    chunkSizeBytes,
    apiKey: givenKey(values),
    joinToken: givenJoinToken(values),
    metricsToken: values['metrics-token'],
    cloud: assembleCloud(values),
    create: values.create,
    durability: values.durability,
    acceptOlderNames: values['accept-older-names'],
    maxUnsyncedBytes: values['max-unsynced-bytes'],
    maxUnsyncedMs: values['max-unsynced-seconds'],
    fuseThreads: values['fuse-threads'],
    passthrough: values.passthrough,
    trace: values.trace,
    logLevel: values['log-level'],
    logFormat: values['log-format'],
    uploadLimitBytes: values['upload-limit'],
  }
}

function assembleCloud(values: NodeFlagValues): CloudOptions {
  const dir = values['cloud-dir']
  const provider = values['cloud-provider'] ?? (dir === undefined ? 's3' : 'file')
  switch (provider) {
    case 'file':
      if (dir === undefined)
        throw new UsageError('--cloud-provider file: say where with --cloud-dir')
      return { provider, dir }
    case 's3': {
      const [bucket, region] = [values['s3-bucket'], values['s3-region']]
      return { provider, bucket, region, endpoint: values['s3-endpoint'] }
    }
    case 'azure':
      return { provider, ...azureAccount(values), endpoint: values['azure-endpoint'] }
  }
}

function azureAccount(values: NodeFlagValues): { account: string; key: string; container: string } {
  const [account, key] = [values['azure-account'], values['azure-key']]
  if (account === undefined || key === undefined) {
    const missing = account === undefined ? 'account' : 'key'
    const variable = `AZURE_STORAGE_${missing.toUpperCase()}`
    throw new UsageError(`--cloud-provider azure: set ${variable} (or give --azure-${missing})`)
  }
  return { account, key, container: values['azure-container'] }
}

function checkDurability({ durability, coordinator }: NodeOptions): void {
  if (copiesOf(durability) === 0 || coordinator !== 'embedded') return
  throw new UsageError(
    `--durability ${durability}: a node alone has no peers, so name their --coordinator host:port`,
  )
}

/** The cache and the cloud must not be inside the mount: the node would wait for itself. */
function checkPlaces({ mountPoint, nvmeDir, cloud }: NodeOptions): void {
  if (mountPoint === '/') throw new UsageError('--mount /: name a folder of its own')
  const inside = (path: string) => `${path}${sep}`.startsWith(`${mountPoint}${sep}`)
  if (inside(nvmeDir)) throw new UsageError(`--nvme ${nvmeDir}: must not be inside the mount point`)
  if (cloud.provider === 'file' && inside(cloud.dir)) {
    throw new UsageError(`--cloud-dir ${cloud.dir}: must not be inside the mount point`)
  }
}

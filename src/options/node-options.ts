/**
 * Everything that one node can be told, parsed and checked: the flags of `bin/client`, which
 * `cachefs up` and `cachefs doctor` take too. What is wrong is said in one sentence before anything
 * is started.
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

/** A cache that cannot hold one chunk being read and one being written cannot work. */
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
  /** Source of the mount; undefined: where the volume is. */
  fsname: string | undefined
  nvmeCapacityBytes: number
  /** Space of the NVMe's file system that is left to others. */
  nvmeFreeFloor: { bytes: number } | { fraction: number }
  /** `host:port`, or embedded. */
  coordinator: string
  /** Address the API listens on. */
  host: string
  /** 0: any that is free. */
  port: number
  /** Address under which others reach this node, where it knows it. */
  advertisedHost: string | undefined
  /** Undefined: the node's own, made once and kept. */
  peerId: string | undefined
  chunkSizeBytes: number
  /** As given; undefined: the node's own, made once and kept. */
  apiKey: string | undefined
  /** What lets it join a cluster; undefined: the API key does, or it has joined. */
  joinToken: string | undefined
  /** As `apiKey`. */
  metricsToken: string | undefined
  cloud: CloudOptions
  /** The place that is the cloud is made where there is none. */
  create: boolean
  durability: Durability
  maxUnsyncedBytes: number | undefined
  maxUnsyncedMs: number | undefined
  fuseThreads: number
  /** The kernel may read cached files by itself: large ones, or all. */
  passthrough: 'auto' | 'always' | 'off'
  /** Log every request of the kernel. */
  trace: boolean
  logLevel: LogLevel
  logFormat: LogFormat
  /** Largest body of a PUT. */
  uploadLimitBytes: number
}

/** Of a node that is about to start: it has its keys. */
export interface KeyedOptions extends NodeOptions {
  apiKey: string
  /** The API key is that of the cluster, not one of its own. */
  hasClusterKey: boolean
  metricsToken: string
}

export type NodeDefaults = Defaults<typeof NODE_FLAGS>

export function addNodeFlags(command: Command, defaults?: NodeDefaults): void {
  addFlags(command, NODE_FLAGS, defaults)
}

/** The options of a command that was parsed; a UsageError says what to change. */
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

/** A node that kept its own bytes in its own mount would wait for itself. */
function checkPlaces({ mountPoint, nvmeDir, cloud }: NodeOptions): void {
  if (mountPoint === '/') throw new UsageError('--mount /: name a folder of its own')
  const inside = (path: string) => `${path}${sep}`.startsWith(`${mountPoint}${sep}`)
  if (inside(nvmeDir)) throw new UsageError(`--nvme ${nvmeDir}: must not be inside the mount point`)
  if (cloud.provider === 'file' && inside(cloud.dir)) {
    throw new UsageError(`--cloud-dir ${cloud.dir}: must not be inside the mount point`)
  }
}

/**
 * The table of the flags of a node: name, description, default and parser of each. Checks that
 * involve several flags are in node-options.ts.
 */
import { resolve } from 'node:path'
import { LOG_LEVELS } from '../base/log/logger.ts'
import { codeOf } from '../base/fs-error.ts'
import { baseLimits } from '../base/limits.ts'
import { cacheLimits } from '../cache/limits.ts'
import { metadataLimits } from '../metadata/limits.ts'
import { optionsLimits } from './limits.ts'
import { parseDurability as parsePolicy, type Durability } from '../metadata/durability.ts'
import { flag, optionalFlag, switchFlag } from './flag.ts'
import type { FlagValues } from './flag.ts'
import { parseSecret, parseSecretFile } from './secret-text.ts'
import { parseSize } from './size.ts'
import { UsageError } from './usage-error.ts'

const PROVIDERS = ['s3', 'azure', 'file'] as const
const CHUNK_BYTES_MIN = 64 * 1024
const CHUNK_BYTES_MAX = 64 * 1024 * 1024
const PASSTHROUGH = ['auto', 'always', 'off'] as const
const LOG_FORMATS = ['line', 'json'] as const

/** Also used by verbs that call an API. */
export const KEY_FLAGS = {
  'api-key': optionalFlag({
    value: '<key>',
    about: 'API key, sent as X-API-Key; generated at the first start if not set',
    secret: true,
    parse: parseSecret,
  }),
  'api-key-file': optionalFlag({
    value: '<path>',
    about: 'file with the API key',
    parse: parseSecretFile,
  }),
}

/** Flags of a coordinator, and of nodes that join it. */
export const JOIN_FLAGS = {
  'join-token': optionalFlag({
    value: '<token>',
    about: 'token with which a new node joins the cluster, in addition to or instead of the key',
    secret: true,
    parse: parseSecret,
  }),
  'join-token-file': optionalFlag({
    value: '<path>',
    about: 'file with the join token; the coordinator creates one, join-token in its --data',
    parse: parseSecretFile,
  }),
}

/** Flag of every program that mounts. */
export const FSNAME_FLAG = {
  fsname: optionalFlag({
    value: '<name>',
    about: 'source in the mount table; the cloud or remote if not set',
    parse: parseSourceName,
  }),
}

export const NODE_FLAGS = {
  mount: flag('/tmp/fuse-client', {
    value: '<dir>',
    about: 'mount point',
    parse: parsePath,
  }),
  ...FSNAME_FLAG,
  nvme: flag('/tmp/nvme-cache', {
    value: '<dir>',
    about: 'NVMe directory: cache and state of this node',
    parse: parsePath,
  }),
  'nvme-capacity': flag('10', {
    value: '<size>',
    about: 'capacity of --nvme, GB',
    parse: (text) => parseSize(text, 'G'),
  }),
  'nvme-free-floor': flag('5%', {
    value: '<size|%>',
    about: 'free space to leave on that disk',
    parse: parseFreeFloor,
  }),
  coordinator: flag('embedded', {
    value: '<where>',
    about: 'metadata coordinators, host:port[,host:port...]; embedded: a single-node volume',
    parse: parseCoordinator,
  }),
  host: optionalFlag({
    value: '<address>',
    about: 'listen address of the API; 127.0.0.1, or all addresses if POD_IP and a key are set',
    parse: String,
  }),
  port: flag('8081', {
    value: '<port>',
    about: 'port of the API; 0: any free port',
    parse: parsePort,
  }),
  'advertised-host': optionalFlag({
    value: '<address>',
    about: 'host name or address at which other nodes reach this node',
    environment: ['POD_IP'],
    parse: String,
  }),
  'peer-id': flag('auto', {
    value: '<id>',
    about: 'unique id of this node; auto: generated and kept',
    parse: parsePeerId,
  }),
  'chunk-size': flag('4', {
    value: '<size>',
    about: 'unit of caching and transfer, MB',
    parse: parseChunkSize,
  }),
  ...KEY_FLAGS,
  ...JOIN_FLAGS,
  'metrics-token': optionalFlag({
    value: '<token>',
    about: 'bearer token for /metrics only; generated at the first start if not set',
    secret: true,
    parse: parseSecret,
  }),
  'cloud-provider': optionalFlag({
    value: '<kind>',
    about: 's3 (the default), azure, or file (the default with --cloud-dir)',
    parse: (text) => parseOneOf(text, PROVIDERS),
  }),
  'cloud-dir': optionalFlag({
    value: '<dir>',
    about: 'directory used as cloud by provider file',
    parse: parsePath,
  }),
  create: switchFlag('create the directory, bucket or container of the cloud if it does not exist'),
  's3-bucket': flag('fuse-client-cache', {
    value: '<name>',
    about: 'name of the bucket',
    parse: String,
  }),
  's3-region': flag('us-east-1', {
    value: '<name>',
    about: 'region of the bucket',
    environment: ['AWS_REGION'],
    parse: String,
  }),
  's3-endpoint': optionalFlag({
    value: '<url>',
    about: 'URL of an S3-compatible server other than AWS',
    parse: parseUrl,
  }),
  'azure-account': optionalFlag({
    value: '<name>',
    about: 'storage account',
    environment: ['AZURE_STORAGE_ACCOUNT'],
    parse: String,
  }),
  'azure-key': optionalFlag({
    value: '<key>',
    about: 'key of the storage account; preferably set in the environment',
    environment: ['AZURE_STORAGE_KEY'],
    secret: true,
    parse: String,
  }),
  'azure-container': flag('fuse-cache', {
    value: '<name>',
    about: 'name of the container',
    environment: ['AZURE_CONTAINER_NAME'],
    parse: String,
  }),
  'azure-endpoint': optionalFlag({
    value: '<url>',
    about: 'URL of an emulator or a sovereign cloud',
    parse: parseUrl,
  }),
  durability: flag('local', {
    value: '<where>',
    about: 'default durability, where data is when close() returns: local, peers=N, cloud',
    parse: parseDurability,
  }),
  'accept-older-names': optionalFlag({
    value: '<code>',
    about: 'accept a volume.db from an older backup; the refusal names the code',
    parse: String,
  }),
  'max-unsynced-bytes': optionalFlag({
    value: '<size>',
    about: 'bound of the upload backlog, bytes; writers wait beyond it',
    parse: (text) => parseSize(text),
  }),
  'max-unsynced-seconds': optionalFlag({
    value: '<seconds>',
    about: 'bound of the age of the upload backlog, s; writers wait beyond it',
    parse: parseSeconds,
  }),
  'fuse-threads': flag('2', {
    value: '<n>',
    about: 'threads that serve FUSE requests',
    parse: (text) => parseInteger(text, 1, cacheLimits.fuseWorkers),
  }),
  passthrough: flag('auto', {
    value: '<when>',
    about:
      'FUSE passthrough, the kernel reads and writes files itself: auto (large files), always, off',
    parse: (text) => parseOneOf(text, PASSTHROUGH),
  }),
  'upload-limit': flag('100M', {
    value: '<size>',
    about: 'maximum body of a PUT to the API',
    parse: (text) => parseSize(text),
  }),
  'log-level': flag('info', {
    value: '<level>',
    about: LOG_LEVELS.join(', '),
    parse: (text) => parseOneOf(text, LOG_LEVELS),
  }),
  'log-format': flag('line', {
    value: '<format>',
    about: 'line (readable) or json (for collectors)',
    parse: (text) => parseOneOf(text, LOG_FORMATS),
  }),
  trace: switchFlag('log every FUSE request'),
}

export type NodeFlagValues = FlagValues<typeof NODE_FLAGS>

export function parsePath(text: string): string {
  if (text.includes('\0')) throw new UsageError('a path has no NUL byte')
  return resolve(text)
}

/** Refuses names that mount(8) would take for a disk label or an option. */
function parseSourceName(text: string): string {
  const isShown =
    /^[^\x00-\x1f\x7f]+$/.test(text) && Buffer.byteLength(text) <= baseLimits.nameBytes
  if (isShown && !/^(-|(LABEL|UUID|PARTLABEL|PARTUUID|ID)=)/.test(text)) return text
  throw new UsageError(
    `give a name of up to ${baseLimits.nameBytes} bytes without control characters, ` +
      'which begins neither with a dash nor with LABEL= or UUID=',
  )
}

export function parsePort(text: string): number {
  return parseInteger(text, 0, 65_535)
}

function parseInteger(text: string, least: number, most: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  if (number >= least && number <= most) return number
  throw new UsageError(`give a whole number from ${least} to ${most}`)
}

/** The value of whichever of the two flags is given. */
export function givenKey(values: FlagValues<typeof KEY_FLAGS>): string | undefined {
  const { 'api-key': key, 'api-key-file': fromFile } = values
  if (key === undefined || fromFile === undefined) return key ?? fromFile
  throw new UsageError('--api-key and --api-key-file: give one of them')
}

/** As `givenKey`. */
export function givenJoinToken(values: FlagValues<typeof JOIN_FLAGS>): string | undefined {
  const { 'join-token': token, 'join-token-file': fromFile } = values
  if (token === undefined || fromFile === undefined) return token ?? fromFile
  throw new UsageError('--join-token and --join-token-file: give one of them')
}

/** Returns milliseconds. */
export function parseSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?s?$/.test(text) ? Number.parseFloat(text) : NaN
  if (seconds > 0 && Number.isSafeInteger(Math.round(seconds * 1000))) {
    return Math.round(seconds * 1000)
  }
  throw new UsageError('give a number of seconds above 0')
}

export function parseOneOf<T extends string>(text: string, words: readonly T[]): T {
  const found = words.find((word) => word === text.toLowerCase())
  if (found === undefined) throw new UsageError(`give one of ${words.join(', ')}`)
  return found
}

function parseFreeFloor(text: string): { bytes: number } | { fraction: number } {
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text)?.[1]
  if (percent === undefined) return { bytes: parseSize(text) }
  if (Number(percent) >= 100) throw new UsageError('leave less than 100% free')
  return { fraction: Number(percent) / 100 }
}

/** Normalizes one or more addresses, comma separated. */
function parseCoordinator(text: string): string {
  if (text === 'embedded') return text
  const addresses = text.split(',').map((part) => {
    const address = part
      .trim()
      .replace(/^http:\/\//, '')
      .replace(/\/$/, '')
    if (/^(\[[0-9a-f:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/i.test(address)) return address
    throw new UsageError('give host:port of the coordinator, or embedded')
  })
  if (addresses.length > optionsLimits.coordinators) {
    throw new UsageError(`give at most ${optionsLimits.coordinators} addresses`)
  }
  return addresses.join()
}

function parsePeerId(text: string): string | undefined {
  if (text === 'auto') return undefined
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)) return text
  throw new UsageError('a peer id is up to 63 letters, digits, dots, dashes and underscores')
}

function parseChunkSize(text: string): number {
  const bytes = parseSize(text, 'M')
  const isPowerOfTwo = Number.isInteger(Math.log2(bytes))
  if (isPowerOfTwo && bytes >= CHUNK_BYTES_MIN && bytes <= CHUNK_BYTES_MAX) return bytes
  throw new UsageError('give a power of two from 64K to 64M')
}

export function parseDurability(text: string): Durability {
  try {
    return parsePolicy(text.toLowerCase())
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error
    throw new UsageError(
      `give local, cloud, or peers=N with N from 1 to ${metadataLimits.durabilityPeers}`,
    )
  }
}

export function parseUrl(text: string): string {
  const url = URL.parse(text)
  if (url !== null && /^https?:$/.test(url.protocol)) {
    refuseLogin(url)
    return text.replace(/\/+$/, '')
  }
  throw new UsageError('give a URL that starts with http:// or https://')
}

/** Refuses credentials in a URL: they are never sent, and messages would repeat the URL. */
export function refuseLogin({ username, password }: URL): void {
  if (username === '' && password === '') return
  throw new UsageError('a URL with a user or password in it is not taken: give keys by their flags')
}

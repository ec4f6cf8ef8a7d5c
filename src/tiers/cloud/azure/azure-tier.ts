/**
 * Tier in a container of Azure Blob Storage or of a compatible server (Azurite). Each object is one
 * block blob; its name is an optional prefix followed by the key.
 *
 * Invariants: a write is one request with Content-MD5, which the store verifies before it accepts
 * the blob. The MD5 in the response is compared with the data; if the response has none, the blob
 * is read back and checked. The SDK never retries. Opening the tier sends no request, so a node
 * starts while the cloud is unreachable.
 */
import type { Readable } from 'node:stream'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import type { BlockBlobUploadOptions, BlobClient, ContainerClient } from '@azure/storage-blob'
import { FsError } from '../../../base/fs-error.ts'
import { tiersLimits } from '../../limits.ts'
import type {
  CallOptions,
  ListedObject,
  RangeOptions,
  ReadOptions,
  TierStorage,
  WriteOptions,
} from '../../tier-storage.ts'
import type { CallDeadline } from '../call-deadline.ts'
import { CloudCaller } from '../cloud-caller.ts'
import { blockMetadata } from '../block-checksums.ts'
import { CRC32_METADATA, ObjectDigest, checkCrc32 } from '../object-digest.ts'
import { checkKey, checkListPrefix, folderOf, isKey } from '../object-key.ts'
import { checkSize, type ObjectRange } from '../object-range.ts'
import { ObjectReader, type ObjectAnswer } from '../object-reader.ts'
import { announcedSize } from '../object-size.ts'
import { azureReason } from './azure-reason.ts'

export interface AzureTierOptions {
  account: string
  /** Shared key of the account, base64. */
  key: string
  container: string
  /** Endpoint of a compatible server: `http://127.0.0.1:10000/devstoreaccount1`. */
  endpoint?: string | undefined
  prefix?: string | undefined
}

/** The SDK passes this option to the request, but its types do not declare it. */
type UploadOptions = BlockBlobUploadOptions & { transactionalContentMD5: Uint8Array }

export class AzureTier implements TierStorage {
  readonly name: string
  readonly #container: ContainerClient
  readonly #folder: string
  readonly #caller: CloudCaller
  readonly #reader: ObjectReader

  static async open(options: AzureTierOptions): Promise<AzureTier> {
    return new AzureTier(options)
  }

  private constructor(options: AzureTierOptions) {
    const { account, container } = options
    if (container === '') throw new FsError('EINVAL', 'no container: set --azure-container')
    if (account === '') throw new FsError('EINVAL', 'no account: set --azure-account')
    const url = endpointUrl(options)
    this.#folder = folderOf(options.prefix)
    this.name = `azure://${account}/${container}/${this.#folder}`.replace(/\/$/, '')
    this.#container = azureContainer(options)
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port
    const explain = (error: unknown): ReturnType<typeof azureReason> => azureReason(error, options)
    this.#caller = new CloudCaller({ name: this.name, host: `${url.hostname}:${port}`, explain })
    this.#reader = new ObjectReader({
      caller: this.#caller,
      get: (...args) => this.#get(...args),
      size: (key, callOptions) => this.size(key, callOptions),
    })
  }

  async read(key: string, options: ReadOptions = {}): Promise<Buffer> {
    return await this.#reader.read(key, options)
  }

  async readRange(key: string, options: RangeOptions): Promise<Buffer> {
    return await this.#reader.readRange(key, options)
  }

  async write(key: string, data: Uint8Array, options: WriteOptions = {}): Promise<void> {
    checkKey(key)
    checkSize(data.length)
    await this.#caller.call({ verb: 'write', key, signal: options.signal }, async (deadline) => {
      checkCrc32(data, options.crc32)
      const digest = new ObjectDigest(data)
      deadline.allow(data.length)
      const upload: UploadOptions = {
        abortSignal: deadline.signal,
        transactionalContentMD5: digest.md5,
        metadata: { [CRC32_METADATA]: digest.crc32Hex, ...blockMetadata(data) },
      }
      const blob = this.#blob(key).getBlockBlobClient()
      const { contentMD5 } = await blob.upload(data, data.length, upload)
      if (contentMD5 !== undefined && digest.md5.equals(contentMD5)) return
      await this.#readBack(key, digest, deadline)
    })
  }

  async delete(key: string, { signal }: CallOptions = {}): Promise<void> {
    checkKey(key)
    await this.#caller.call({ verb: 'delete', key, signal }, async (deadline) => {
      const abortSignal = deadline.signal
      await this.#blob(key).deleteIfExists({ abortSignal, deleteSnapshots: 'include' })
    })
  }

  async exists(key: string, options: CallOptions = {}): Promise<boolean> {
    try {
      await this.size(key, options)
      return true
    } catch (error) {
      if (error instanceof FsError && error.code === 'ENOENT') return false
      throw error
    }
  }

  async size(key: string, { signal }: CallOptions = {}): Promise<number> {
    checkKey(key)
    return await this.#caller.call({ verb: 'get the size of', key, signal }, async (deadline) => {
      const { contentLength } = await this.#blob(key).getProperties({
        abortSignal: deadline.signal,
      })
      return announcedSize(contentLength)
    })
  }

  async *list(prefix: string, { signal }: CallOptions = {}): AsyncIterable<ListedObject> {
    checkListPrefix(prefix)
    let token: string | undefined
    do {
      const page = await this.#caller.call({ verb: 'list', signal }, async (deadline) => {
        const start = token === undefined ? {} : { continuationToken: token }
        const pages = this.#container
          .listBlobsFlat({ prefix: this.#folder + prefix, abortSignal: deadline.signal })
          .byPage({ maxPageSize: tiersLimits.cloudListPage, ...start })
        for await (const first of pages) return first
        return undefined
      })
      for (const { name, properties } of page?.segment.blobItems ?? []) {
        const key = name.slice(this.#folder.length)
        if (isKey(key)) yield { key, size: announcedSize(properties.contentLength) }
      }
      token = page?.continuationToken
    } while (token !== undefined && token !== '')
  }

  async check({ signal }: CallOptions = {}): Promise<void> {
    const what = { verb: 'use', signal, callMs: tiersLimits.cloudCheckMs }
    await this.#caller.call(what, async ({ signal: abortSignal }) => {
      const pages = this.#container
        .listBlobsFlat({ prefix: this.#folder, abortSignal })
        .byPage({ maxPageSize: 1 })
      for await (const _page of pages) return
    })
  }

  /** Creates the container if it does not exist. */
  async create(): Promise<void> {
    const what = { verb: 'create', callMs: tiersLimits.cloudCheckMs }
    await this.#caller.call(what, async ({ signal: abortSignal }) => {
      await this.#container.createIfNotExists({ abortSignal })
    })
  }

  async close(): Promise<void> {
    // All clients of the SDK share one set of sockets; idle sockets do not keep a process alive.
  }

  #blob(key: string): BlobClient {
    return this.#container.getBlobClient(this.#folder + key)
  }

  /** Deletes a damaged blob: `read` of a range checks nothing and would return the damage. */
  async #readBack(key: string, digest: ObjectDigest, deadline: CallDeadline): Promise<void> {
    try {
      checkCrc32(await this.#reader.readBack(key, deadline), digest.crc32)
    } catch (error) {
      await this.#blob(key)
        .deleteIfExists({ abortSignal: AbortSignal.timeout(tiersLimits.cloudCheckMs) })
        .catch(() => undefined)
      throw error
    }
  }

  async #get(key: string, range: ObjectRange, deadline: CallDeadline): Promise<ObjectAnswer> {
    const answer = await this.#blob(key).download(range.offset, range.length, {
      abortSignal: deadline.signal,
      maxRetryRequests: 0,
    })
    const { contentLength, contentRange, metadata } = answer
    const body = answer.readableStreamBody as Readable | undefined
    // Without a listener, the stream's error after an abort would be uncaught: nobody reads it
    // then.
    body?.on('error', () => undefined)
    return { body, contentLength, contentRange, metadata }
  }
}

/** Container client with the settings that all callers need: the SDK retries nothing. */
export function azureContainer(options: AzureTierOptions): ContainerClient {
  return new BlobServiceClient(endpointUrl(options).href, credentialOf(options), {
    retryOptions: { maxTries: 1 },
    keepAliveOptions: { enable: true },
  }).getContainerClient(options.container)
}

/**
 * `https://account.blob.core.windows.net`, or `endpoint`, with the account added if it is absent.
 */
export function endpointUrl({ account, endpoint }: AzureTierOptions): URL {
  if (endpoint === undefined) return new URL(`https://${account}.blob.core.windows.net`)
  if (!URL.canParse(endpoint) || !/^https?:/.test(endpoint)) {
    throw new FsError('EINVAL', 'invalid Azure endpoint: expected a URL like http://HOST:PORT/NAME')
  }
  const url = new URL(endpoint)
  const isBareAddress = /^(localhost|[\d.]+|\[.*\])$/.test(url.hostname) && url.pathname === '/'
  if (isBareAddress) url.pathname = `/${account}`
  url.username = ''
  url.password = ''
  return url
}

function credentialOf({ account, key }: AzureTierOptions): StorageSharedKeyCredential {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) {
    throw new FsError('EACCES', `the key of account ${account} is not base64: see --azure-key`)
  }
  return new StorageSharedKeyCredential(account, key)
}

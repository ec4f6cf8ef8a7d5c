/**
 * A tier in a container of Azure Blob Storage, or of a server that speaks its protocol (Azurite).
 * Keys lie under an optional prefix, one block blob each.
 *
 * Invariants: a write is one request with Content-MD5, which the store verifies before it takes
 * the blob; its answer names the MD5 of what it holds, which is compared, and where it names none
 * the blob is read back. The SDK never retries. Opening calls nobody: a node starts while the
 * cloud is away.
 */
import type { Readable } from 'node:stream'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import type { BlockBlobUploadOptions, BlobClient, ContainerClient } from '@azure/storage-blob'
import { FsError } from '../../../base/fs-error.ts'
import { limits } from '../../../limits.ts'
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
  /** The account's shared key, base64. */
  key: string
  container: string
  /** Of a server that is not Azure's: `http://127.0.0.1:10000/devstoreaccount1`. */
  endpoint?: string | undefined
  prefix?: string | undefined
}

/** The SDK hands it to the request, and has no place for it in its types. */
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
    return await this.#caller.call({ verb: 'look at', key, signal }, async (deadline) => {
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
          .byPage({ maxPageSize: limits.cloudListPage, ...start })
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
    const what = { verb: 'use', signal, callMs: limits.cloudCheckMs }
    await this.#caller.call(what, async ({ signal: abortSignal }) => {
      const pages = this.#container
        .listBlobsFlat({ prefix: this.#folder, abortSignal })
        .byPage({ maxPageSize: 1 })
      for await (const _page of pages) return
    })
  }

  /** Makes the container where there is none. */
  async create(): Promise<void> {
    const what = { verb: 'create', callMs: limits.cloudCheckMs }
    await this.#caller.call(what, async ({ signal: abortSignal }) => {
      await this.#container.createIfNotExists({ abortSignal })
    })
  }

  async close(): Promise<void> {
    // The SDK shares its sockets among all clients; idle ones keep no process alive.
  }

  #blob(key: string): BlobClient {
    return this.#container.getBlobClient(this.#folder + key)
  }

  /** A damaged blob does not stay: a range of it would be believed. */
  async #readBack(key: string, digest: ObjectDigest, deadline: CallDeadline): Promise<void> {
    try {
      checkCrc32(await this.#reader.readBack(key, deadline), digest.crc32)
    } catch (error) {
      await this.#blob(key)
        .deleteIfExists({ abortSignal: AbortSignal.timeout(limits.cloudCheckMs) })
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
    // The stream fails as well when the call is aborted, when nobody reads it any more.
    body?.on('error', () => undefined)
    return { body, contentLength, contentRange, metadata }
  }
}

/** As every caller here wants it: nothing is tried again by the SDK. */
export function azureContainer(options: AzureTierOptions): ContainerClient {
  return new BlobServiceClient(endpointUrl(options).href, credentialOf(options), {
    retryOptions: { maxTries: 1 },
    keepAliveOptions: { enable: true },
  }).getContainerClient(options.container)
}

/** `https://account.blob.core.windows.net`, or what was given, with the account where it lacks. */
export function endpointUrl({ account, endpoint }: AzureTierOptions): URL {
  if (endpoint === undefined) return new URL(`https://${account}.blob.core.windows.net`)
  if (!URL.canParse(endpoint) || !/^https?:/.test(endpoint)) {
    throw new FsError('EINVAL', 'the Azure endpoint is no URL such as http://127.0.0.1:10000/NAME')
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

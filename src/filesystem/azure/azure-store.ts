/**
 * Object store in a container of Azure Blob Storage (block blobs). Small objects are sent with an
 * MD5 that the store verifies, large ones in blocks that become visible together.
 */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { BlobClient, ContainerClient } from '@azure/storage-blob'
import { throwIfAborted } from '../../base/async/abort.ts'
import { FsError, codeOf } from '../../base/fs-error.ts'
import { baseLimits } from '../../base/limits.ts'
import { filesystemLimits } from '../limits.ts'
import { tiersLimits } from '../../tiers/limits.ts'
import { azureReason } from '../../tiers/cloud/azure/azure-reason.ts'
import { azureContainer, endpointUrl } from '../../tiers/cloud/azure/azure-tier.ts'
import type { AzureTierOptions } from '../../tiers/cloud/azure/azure-tier.ts'
import { CloudCaller } from '../../tiers/cloud/cloud-caller.ts'
import type { Reason } from '../../tiers/cloud/cloud-caller.ts'
import type { CallOptions } from '../file-system.ts'
import { firstPart, partBytesFor } from '../object/first-part.ts'
import type {
  CopyOptions,
  GetOptions,
  ListOptions,
  ListedKey,
  ObjectInfo,
  ObjectStore,
  PutOptions,
} from '../object/object-store.ts'

export class AzureStore implements ObjectStore {
  readonly #container: ContainerClient
  readonly #caller: CloudCaller

  constructor(options: AzureTierOptions) {
    this.#container = azureContainer(options)
    const { account, container } = options
    const explain = (error: unknown): Reason | undefined => {
      const { statusCode } = (error ?? {}) as { statusCode?: unknown }
      const isOther = statusCode === 412 || statusCode === 409
      const text = 'the blob has another version'
      return isOther ? { code: 'ESTALE', text } : azureReason(error, options)
    }
    const { host } = endpointUrl(options)
    this.#caller = new CloudCaller({ name: `azure://${account}/${container}`, host, explain })
  }

  async head(key: string, { signal }: CallOptions): Promise<ObjectInfo | undefined> {
    try {
      return await this.#caller.call(
        { verb: 'get the attributes of', key, signal },
        async (deadline) => {
          const answer = await this.#blob(key).getProperties({ abortSignal: deadline.signal })
          const { contentLength: size = 0, etag, lastModified, metadata = {} } = answer
          return { size, etag: plain(etag), modifiedMs: lastModified?.getTime() ?? 0, metadata }
        },
      )
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async *list(prefix: string, flat: boolean, options: ListOptions): AsyncGenerator<ListedKey> {
    const { signal, pageKeys = tiersLimits.cloudListPage } = options
    let token: string | undefined
    do {
      const page = await this.#caller.call({ verb: 'list', signal }, async (deadline) => {
        const how = { prefix, includeMetadata: true, abortSignal: deadline.signal }
        const paging = {
          maxPageSize: pageKeys,
          ...(token === undefined ? {} : { continuationToken: token }),
        }
        const pages = flat
          ? this.#container.listBlobsFlat(how).byPage(paging)
          : this.#container.listBlobsByHierarchy('/', how).byPage(paging)
        for await (const first of pages) return first
        return undefined
      })
      const { blobItems = [] } = page?.segment ?? {}
      const prefixes = (page?.segment as { blobPrefixes?: { name: string }[] } | undefined)
        ?.blobPrefixes
      for (const { name: key, properties, metadata = {} } of blobItems) {
        const { contentLength: size = 0, etag, lastModified } = properties
        yield { key, size, etag: plain(etag), modifiedMs: lastModified.getTime(), metadata }
      }
      for (const { name } of prefixes ?? []) yield { prefix: name }
      token = page?.continuationToken
    } while (token !== undefined && token !== '')
  }

  async *get(key: string, options: GetOptions): AsyncGenerator<Uint8Array> {
    const { start = 0, end, ifMatch, signal } = options
    const count = end === undefined ? undefined : end - start + 1
    const body = await this.#caller.call({ verb: 'read', key, signal }, async () => {
      const answer = await this.#blob(key).download(start, count, {
        ...(signal === undefined ? {} : { abortSignal: signal }),
        ...(ifMatch === undefined ? {} : { conditions: { ifMatch: `"${ifMatch}"` } }),
        maxRetryRequests: 0,
      })
      return answer.readableStreamBody as Readable | undefined
    })
    // Without a listener, its error after an abort would be uncaught: nobody reads it then.
    body?.on('error', () => undefined)
    try {
      for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
        throwIfAborted(signal)
        yield piece
      }
    } finally {
      body?.destroy()
    }
  }

  async put(
    key: string,
    source: AsyncIterable<Uint8Array>,
    { metadata, ifMatch, signal, size: sizeBytes }: PutOptions,
  ): Promise<{ etag: string; size: number }> {
    const { bytes, whole } = await firstPart(source)
    const blob = this.#blob(key).getBlockBlobClient()
    const conditions =
      ifMatch === undefined
        ? {}
        : ifMatch === null
          ? { ifNoneMatch: '*' }
          : { ifMatch: `"${ifMatch}"` }
    return await this.#caller.call({ verb: 'write', key, signal, callMs }, async (deadline) => {
      const how = { metadata, conditions, abortSignal: deadline.signal }
      if (whole === undefined) {
        const transactionalContentMD5 = createHash('md5').update(bytes).digest()
        const upload = { ...how, transactionalContentMD5 }
        const { etag } = await blob.upload(bytes, bytes.length, upload)
        return { etag: plain(etag), size: bytes.length }
      }
      let size = 0
      async function* counted(): AsyncGenerator<Uint8Array> {
        for await (const piece of whole!) {
          deadline.allow(piece.length)
          size += piece.length
          yield piece
        }
      }
      const stream = Readable.from(counted(), { objectMode: false })
      const partBytes = partBytesFor(sizeBytes, BLOCKS)
      const { etag } = await blob.uploadStream(
        stream,
        partBytes,
        filesystemLimits.objectPartsAtOnce,
        how,
      )
      return { etag: plain(etag), size }
    })
  }

  /** Azure copies a blob of any size in one request, which it completes asynchronously. */
  async copy(from: string, to: string, { metadata, size, signal }: CopyOptions): Promise<void> {
    await this.#caller.call({ verb: 'copy', key: from, signal }, async (deadline) => {
      deadline.allow(size)
      const abortSignal = deadline.signal
      if (from === to) {
        await this.#blob(from).setMetadata(metadata ?? {}, { abortSignal })
        return
      }
      const { url } = this.#blob(from)
      const how = { abortSignal, intervalInMs: baseLimits.retryBaseMs }
      const copying = await this.#blob(to).beginCopyFromURL(url, how)
      await copying.pollUntilDone()
    })
  }

  async remove(key: string, { signal }: CallOptions): Promise<void> {
    await this.#caller.call({ verb: 'delete', key, signal }, async (deadline) => {
      await this.#blob(key).deleteIfExists({ abortSignal: deadline.signal })
    })
  }

  #blob(key: string): BlobClient {
    // Azure converts backslashes to slashes: https://learn.microsoft.com/rest/api/storageservices/
    // naming-and-referencing-containers--blobs--and-metadata
    if (key.includes('\\')) {
      throw new FsError('EINVAL', 'Azure does not support names with a backslash', { path: key })
    }
    return this.#container.getBlobClient(key)
  }
}

/** Maximum number of blocks per blob. */
const BLOCKS = 50_000
const callMs = tiersLimits.cloudCallMs

function plain(etag: string | undefined): string {
  return etag?.replaceAll('"', '') ?? ''
}

/**
 * Object store in a bucket of Amazon S3 or of a compatible server. Small objects are sent with
 * checksums that the store verifies, large ones as multipart uploads.
 */
import { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { PutObjectCommandInput } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { throwIfAborted } from '../../base/async/abort.ts'
import { codeOf } from '../../base/fs-error.ts'
import { filesystemLimits } from '../limits.ts'
import { tiersLimits } from '../../tiers/limits.ts'
import { CloudCaller } from '../../tiers/cloud/cloud-caller.ts'
import type { Reason } from '../../tiers/cloud/cloud-caller.ts'
import { ObjectDigest } from '../../tiers/cloud/object-digest.ts'
import { s3Reason, statusOf } from '../../tiers/cloud/s3/s3-reason.ts'
import { s3ClientConfig, s3Host } from '../../tiers/cloud/s3/s3-tier.ts'
import type { S3TierOptions } from '../../tiers/cloud/s3/s3-tier.ts'
import { failure } from '../failure.ts'
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
import { S3Copy, S3_PARTS } from './s3-copy.ts'

type Conditions = { IfMatch: string } | { IfNoneMatch: string } | Record<string, never>

export class S3Store implements ObjectStore {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #caller: CloudCaller

  constructor(options: S3TierOptions) {
    this.#client = new S3Client(s3ClientConfig(options))
    this.#bucket = options.bucket
    const explain = (error: unknown): Reason | undefined => {
      const isOther = statusOf(error) === 412
      const text = 'the object has another version'
      return isOther ? { code: 'ESTALE', text } : s3Reason(error, options)
    }
    this.#caller = new CloudCaller({
      name: `s3://${options.bucket}`,
      host: s3Host(options),
      explain,
    })
  }

  async head(key: string, { signal }: CallOptions): Promise<ObjectInfo | undefined> {
    try {
      return await this.#caller.call(
        { verb: 'get the attributes of', key, signal },
        async (deadline) => {
          const command = new HeadObjectCommand(this.#place(key))
          const answer = await this.#client.send(command, { abortSignal: deadline.signal })
          const { ContentLength: size = 0, ETag, LastModified, Metadata: metadata = {} } = answer
          return { size, etag: plain(ETag), modifiedMs: LastModified?.getTime() ?? 0, metadata }
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
      const page = await this.#caller.call({ verb: 'list', signal }, (deadline) => {
        const command = new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: prefix,
          Delimiter: flat ? undefined : '/',
          MaxKeys: pageKeys,
          ContinuationToken: token,
        })
        return this.#client.send(command, { abortSignal: deadline.signal })
      })
      for (const { Key: key = '', Size: size = 0, ETag, LastModified } of page.Contents ?? []) {
        yield { key, size, etag: plain(ETag), modifiedMs: LastModified?.getTime() ?? 0 }
      }
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) yield { prefix: Prefix }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async *get(key: string, options: GetOptions): AsyncGenerator<Uint8Array> {
    const { start = 0, end, ifMatch, signal } = options
    const isWhole = start === 0 && end === undefined
    const Range = isWhole ? undefined : `bytes=${start}-${end ?? ''}`
    const body = await this.#caller.call({ verb: 'read', key, signal }, async (deadline) => {
      const IfMatch = ifMatch === undefined ? undefined : `"${ifMatch}"`
      const command = new GetObjectCommand({ ...this.#place(key), Range, IfMatch })
      const answer = await this.#client.send(command, { abortSignal: deadline.signal })
      const stream = answer.Body as (AsyncIterable<Uint8Array> & { destroy(): void }) | undefined
      // Not every server honours the condition.
      if (ifMatch === undefined || plain(answer.ETag) === ifMatch) return stream
      stream?.destroy()
      throw failure('ESTALE', 'read', key)
    })
    try {
      for await (const piece of body ?? []) {
        throwIfAborted(signal)
        yield piece
      }
    } finally {
      // An unread body would occupy its socket.
      body?.destroy()
    }
  }

  async put(
    key: string,
    source: AsyncIterable<Uint8Array>,
    { metadata, ifMatch, signal, size }: PutOptions,
  ): Promise<{ etag: string; size: number }> {
    const { bytes, whole } = await firstPart(source)
    const only = conditions(ifMatch)
    if (whole !== undefined) {
      const params = { ...this.#place(key), ...only, Metadata: metadata }
      return await this.#putLarge(params, whole, partBytesFor(size, S3_PARTS), signal)
    }
    return await this.#caller.call({ verb: 'write', key, signal }, async (deadline) => {
      deadline.allow(bytes.length)
      const digest = new ObjectDigest(bytes)
      const command = new PutObjectCommand({
        ...this.#place(key),
        ...only,
        Body: bytes,
        ContentLength: bytes.length,
        ContentMD5: this.#bucket.endsWith('--x-s3') ? undefined : digest.md5Base64,
        ChecksumCRC32: digest.crc32Base64,
        Metadata: metadata,
      })
      const { ETag } = await this.#client.send(command, { abortSignal: deadline.signal })
      return { etag: plain(ETag), size: bytes.length }
    })
  }

  async copy(from: string, to: string, options: CopyOptions): Promise<void> {
    await new S3Copy(this.#client, this.#caller, this.#bucket).run(from, to, options)
  }

  async remove(key: string, { signal }: CallOptions): Promise<void> {
    try {
      await this.#caller.call({ verb: 'delete', key, signal }, async (deadline) => {
        const command = new DeleteObjectCommand(this.#place(key))
        await this.#client.send(command, { abortSignal: deadline.signal })
      })
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
  }

  close(): void {
    this.#client.destroy()
  }

  /** Without a total deadline: it takes as long as its source; the sockets have timeouts. */
  async #putLarge(
    params: Omit<PutObjectCommandInput, 'Body'>,
    source: AsyncIterable<Uint8Array>,
    partSize: number,
    signal: AbortSignal | undefined,
  ): Promise<{ etag: string; size: number }> {
    let size = 0
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of source) {
        throwIfAborted(signal)
        size += piece.length
        yield piece
      }
    }
    const upload = new Upload({
      client: this.#client,
      params: { ...params, Body: Readable.from(counted(), { objectMode: false }) },
      partSize,
      queueSize: filesystemLimits.objectPartsAtOnce,
    })
    const { ETag } = await upload.done()
    return { etag: plain(ETag), size }
  }

  #place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: key }
  }
}

function conditions(ifMatch: string | null | undefined): Conditions {
  if (ifMatch === undefined) return {}
  return ifMatch === null ? { IfNoneMatch: '*' } : { IfMatch: `"${ifMatch}"` }
}

function plain(etag: string | undefined): string {
  return etag?.replaceAll('"', '') ?? ''
}

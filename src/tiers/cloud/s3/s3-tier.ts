/**
 * Tier in a bucket of Amazon S3 or of a compatible server (endpoint given, path style). The name of
 * an object is an optional prefix followed by the key; every other S3 tool can read it.
 *
 * Invariants: a write is sent with Content-MD5 and x-amz-checksum-crc32, which the store verifies
 * before it accepts the object. The response must then confirm what the store holds (its own
 * checksum, or an MD5 entity tag); if it does not, the object is read back and checked. The SDK
 * never retries. Opening the tier sends no request, so a node starts while the cloud is
 * unreachable.
 */
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Readable } from 'node:stream'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type {
  BucketLocationConstraint,
  PutObjectCommandOutput,
  S3ClientConfig,
} from '@aws-sdk/client-s3'
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
import { s3Reason, statusOf } from './s3-reason.ts'

export interface S3TierOptions {
  bucket: string
  region: string
  /** Endpoint of a compatible server: `http://127.0.0.1:9000`. */
  endpoint?: string | undefined
  prefix?: string | undefined
  /**
   * Both keys or neither. Without them the SDK searches the environment, the profile and the role
   * of the machine.
   */
  accessKeyId?: string | undefined
  secretAccessKey?: string | undefined
}

export class S3Tier implements TierStorage {
  readonly name: string
  readonly #client: S3Client
  readonly #options: S3TierOptions
  readonly #bucket: string
  readonly #folder: string
  readonly #caller: CloudCaller
  readonly #reader: ObjectReader
  /**
   * A 404 without a body may mean a missing bucket: the bucket is checked once, then never again.
   */
  #isBucketSeen = false

  static async open(options: S3TierOptions): Promise<S3Tier> {
    return new S3Tier(options)
  }

  private constructor(options: S3TierOptions) {
    const { bucket, region } = options
    if (bucket === '') throw new FsError('EINVAL', 'the bucket has no name: set --s3-bucket')
    if (region === '') throw new FsError('EINVAL', 'no region: set --s3-region')
    this.#options = options
    this.#bucket = bucket
    this.#folder = folderOf(options.prefix)
    this.name = `s3://${bucket}/${this.#folder}`.replace(/\/$/, '')
    this.#client = new S3Client(s3ClientConfig(options))
    const host = s3Host(options)
    const explain = (error: unknown): ReturnType<typeof s3Reason> => s3Reason(error, options)
    this.#caller = new CloudCaller({ name: this.name, host, explain })
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
      const answer = await this.#put(key, data, digest, deadline)
      this.#isBucketSeen = true
      if (confirms(answer, digest)) return
      await this.#readBack(key, digest, deadline)
    })
  }

  async delete(key: string, { signal }: CallOptions = {}): Promise<void> {
    checkKey(key)
    await this.#caller.call({ verb: 'delete', key, signal }, async (deadline) => {
      try {
        const command = new DeleteObjectCommand(this.#place(key))
        await this.#client.send(command, { abortSignal: deadline.signal })
      } catch (error) {
        // Amazon accepts deleting an absent object; Google's store, for one, responds with 404.
        if (s3Reason(error, this.#options)?.code !== 'ENOENT') throw error
      }
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
      try {
        const command = new HeadObjectCommand(this.#place(key))
        const { ContentLength } = await this.#client.send(command, {
          abortSignal: deadline.signal,
        })
        this.#isBucketSeen = true
        return announcedSize(ContentLength)
      } catch (error) {
        if (statusOf(error) === 404) await this.#seeBucket(deadline)
        throw error
      }
    })
  }

  async *list(prefix: string, { signal }: CallOptions = {}): AsyncIterable<ListedObject> {
    checkListPrefix(prefix)
    let token: string | undefined
    do {
      const page = await this.#caller.call({ verb: 'list', signal }, (deadline) => {
        const command = new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: this.#folder + prefix,
          MaxKeys: tiersLimits.cloudListPage,
          ContinuationToken: token,
        })
        return this.#client.send(command, { abortSignal: deadline.signal })
      })
      for (const { Key = '', Size } of page.Contents ?? []) {
        const key = Key.slice(this.#folder.length)
        if (isKey(key)) yield { key, size: announcedSize(Size) }
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async check({ signal }: CallOptions = {}): Promise<void> {
    const what = { verb: 'use', signal, callMs: tiersLimits.cloudCheckMs }
    await this.#caller.call(what, async (deadline) => {
      // Not HeadBucket: its response has no body, so it cannot give the reason for a rejection.
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: this.#folder,
        MaxKeys: 1,
      })
      await this.#client.send(command, { abortSignal: deadline.signal })
      this.#isBucketSeen = true
    })
  }

  /** Creates the bucket if it does not exist. */
  async create(): Promise<void> {
    const what = { verb: 'create', callMs: tiersLimits.cloudCheckMs }
    const { region } = this.#options
    await this.#caller.call(what, async ({ signal: abortSignal }) => {
      const Bucket = this.#bucket
      try {
        await this.#client.send(new HeadBucketCommand({ Bucket }), { abortSignal })
      } catch (error) {
        if (statusOf(error) !== 404) throw error
        const place = { LocationConstraint: region as BucketLocationConstraint }
        // The first region has no location constraint.
        const where = region === 'us-east-1' ? {} : { CreateBucketConfiguration: place }
        await this.#client.send(new CreateBucketCommand({ Bucket, ...where }), { abortSignal })
      }
    })
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  #place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#folder + key }
  }

  async #get(key: string, range: ObjectRange, deadline: CallDeadline): Promise<ObjectAnswer> {
    const command = new GetObjectCommand({ ...this.#place(key), Range: range.header })
    const answer = await this.#client.send(command, { abortSignal: deadline.signal })
    const { ContentLength: contentLength, ContentRange: contentRange } = answer
    const body = answer.Body as Readable | undefined
    return { body, contentLength, contentRange, metadata: answer.Metadata }
  }

  async #put(
    key: string,
    data: Uint8Array,
    digest: ObjectDigest,
    deadline: CallDeadline,
  ): Promise<PutObjectCommandOutput> {
    const command = new PutObjectCommand({
      ...this.#place(key),
      Body: data,
      ContentLength: data.length,
      ChecksumCRC32: digest.crc32Base64,
      // S3 Express rejects Content-MD5; it verifies the CRC-32.
      ContentMD5: this.#bucket.endsWith('--x-s3') ? undefined : digest.md5Base64,
      Metadata: { [CRC32_METADATA]: digest.crc32Hex, ...blockMetadata(data) },
    })
    return await this.#client.send(command, { abortSignal: deadline.signal })
  }

  /** Deletes a damaged object: `read` of a range checks nothing and would return the damage. */
  async #readBack(key: string, digest: ObjectDigest, deadline: CallDeadline): Promise<void> {
    try {
      checkCrc32(await this.#reader.readBack(key, deadline), digest.crc32)
    } catch (error) {
      const command = new DeleteObjectCommand(this.#place(key))
      const abortSignal = AbortSignal.timeout(tiersLimits.cloudCheckMs)
      await this.#client.send(command, { abortSignal }).catch(() => undefined)
      throw error
    }
  }

  /**
   * Throws NoSuchBucket if the bucket is absent: only in an existing bucket is an object missing.
   */
  async #seeBucket(deadline: CallDeadline): Promise<void> {
    if (this.#isBucketSeen) return
    try {
      const command = new HeadBucketCommand({ Bucket: this.#bucket })
      await this.#client.send(command, { abortSignal: deadline.signal })
      this.#isBucketSeen = true
    } catch (error) {
      if (statusOf(error) !== 404) return
      throw Object.assign(new Error('the bucket does not exist'), { name: 'NoSuchBucket' })
    }
  }
}

export function s3ClientConfig(options: S3TierOptions): S3ClientConfig {
  const { region, endpoint, accessKeyId, secretAccessKey } = options
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw new FsError('EINVAL', 'S3 needs both access keys, or neither')
  }
  const sockets = { keepAlive: true, maxSockets: tiersLimits.cloudCallsAtOnce }
  return {
    region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
    maxAttempts: 1,
    // The tier sends its own checksums: the SDK would send trailers, which older servers store as
    // part of the data.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // The header costs a round trip per chunk, and a rejected body is too rare to be worth it.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: tiersLimits.cloudConnectMs,
      socketTimeout: tiersLimits.cloudIdleMs,
      httpAgent: new HttpAgent(sockets),
      httpsAgent: new HttpsAgent(sockets),
    },
  }
}

/** Whether the response shows that the store holds what was sent. */
function confirms(answer: PutObjectCommandOutput, digest: ObjectDigest): boolean {
  if (answer.ChecksumCRC32 === digest.crc32Base64) return true
  return answer.ETag?.replaceAll('"', '').toLowerCase() === digest.md5Hex
}

/** `host:port` of the store, for messages. */
export function s3Host({ region, endpoint }: S3TierOptions): string {
  if (endpoint === undefined) return `s3.${region}.amazonaws.com:443`
  if (!URL.canParse(endpoint) || !/^https?:/.test(endpoint)) {
    throw new FsError('EINVAL', `invalid S3 endpoint: expected a URL like http://HOST:PORT`)
  }
  const { hostname, port, protocol } = new URL(endpoint)
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
}

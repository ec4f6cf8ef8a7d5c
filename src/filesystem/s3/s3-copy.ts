/**
 * Copies an object of any size within a bucket. S3 copies at most 5 GiB in one request, and slowly,
 * so a large object is copied in parallel parts. Headers that other tools have set (type, encoding,
 * caching) are kept; tags are kept only by a copy in one request.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type { CompletedPart, HeadObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { Semaphore } from '../../base/async/semaphore.ts'
import { filesystemLimits } from '../limits.ts'
import type { CloudCaller } from '../../tiers/cloud/cloud-caller.ts'
import type { CopyOptions } from '../object/object-store.ts'

/** Maximum number of parts per object. */
export const S3_PARTS = 10_000

export class S3Copy {
  readonly #client: S3Client
  readonly #caller: CloudCaller
  readonly #bucket: string

  constructor(client: S3Client, caller: CloudCaller, bucket: string) {
    this.#client = client
    this.#caller = caller
    this.#bucket = bucket
  }

  async run(from: string, to: string, { metadata, size, signal }: CopyOptions): Promise<void> {
    const source = `${this.#bucket}/${from}`.split('/').map(encodeURIComponent).join('/')
    if (size > filesystemLimits.objectCopyBytes) {
      await this.#runInParts(from, to, source, metadata, signal)
      return
    }
    const kept = metadata === undefined ? undefined : await this.#look(from, signal)
    await this.#caller.call({ verb: 'copy', key: from, signal }, async (deadline) => {
      deadline.allow(size)
      const command = new CopyObjectCommand({
        ...{ Bucket: this.#bucket, Key: to, CopySource: source },
        ...(kept === undefined
          ? { MetadataDirective: 'COPY' }
          : { MetadataDirective: 'REPLACE', ...headersOf(kept), Metadata: metadata }),
      })
      await this.#client.send(command, { abortSignal: deadline.signal })
    })
  }

  async #runInParts(
    from: string,
    to: string,
    source: string,
    metadata: Record<string, string> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const about = await this.#look(from, signal)
    const { ContentLength: size = 0, ETag: etag, Metadata } = about
    const place = { Bucket: this.#bucket, Key: to }
    const call = { verb: 'copy', key: from, signal }
    const { UploadId } = await this.#caller.call(call, (deadline) => {
      const command = new CreateMultipartUploadCommand({
        ...{ ...place, ...headersOf(about), Metadata: metadata ?? Metadata },
      })
      return this.#client.send(command, { abortSignal: deadline.signal })
    })
    const copyPart = async (PartNumber: number, range: string): Promise<CompletedPart> => {
      return await this.#caller.call(call, async (deadline) => {
        deadline.allow(partBytes)
        const command = new UploadPartCopyCommand({
          ...{ ...place, UploadId, PartNumber, CopySource: source },
          ...{ CopySourceRange: range, CopySourceIfMatch: etag },
        })
        const answer = await this.#client.send(command, { abortSignal: deadline.signal })
        return { PartNumber, ETag: answer.CopyPartResult?.ETag }
      })
    }
    const partBytes = Math.max(filesystemLimits.objectCopyBytes, Math.ceil(size / S3_PARTS))
    const pool = new Semaphore(filesystemLimits.objectPartsAtOnce)
    const parts: Promise<CompletedPart>[] = []
    for (let start = 0; start < size; start += partBytes) {
      const range = `bytes=${start}-${Math.min(start + partBytes, size) - 1}`
      const number = parts.length + 1
      parts.push(pool.run(() => copyPart(number, range)))
    }
    try {
      const MultipartUpload = { Parts: await Promise.all(parts) }
      await this.#caller.call(call, (deadline) => {
        const command = new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload })
        return this.#client.send(command, { abortSignal: deadline.signal })
      })
    } catch (error) {
      await Promise.allSettled(parts)
      // S3 would keep, and charge for, the copied parts forever.
      await this.#client.send(new AbortMultipartUploadCommand({ ...place, UploadId })).catch(ignore)
      throw error
    }
  }

  async #look(key: string, signal: AbortSignal | undefined): Promise<HeadObjectCommandOutput> {
    return await this.#caller.call({ verb: 'get the attributes of', key, signal }, (deadline) => {
      const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: key })
      return this.#client.send(command, { abortSignal: deadline.signal })
    })
  }
}

type Headers = Pick<
  HeadObjectCommandOutput,
  'CacheControl' | 'ContentDisposition' | 'ContentEncoding' | 'ContentLanguage' | 'ContentType'
>

function headersOf(about: HeadObjectCommandOutput): Headers {
  const { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, ContentType } = about
  return { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, ContentType }
}

function ignore(): void {
  // The first failure is the one to report.
}

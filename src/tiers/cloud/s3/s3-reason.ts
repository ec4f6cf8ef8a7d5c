/**
 * Maps error responses of S3 to error codes and messages:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. A missing bucket is EIO,
 * never ENOENT: otherwise a mistyped bucket name would look like lost data.
 */
import type { Reason } from '../cloud-caller.ts'

interface Place {
  bucket: string
  region: string
}

export function s3Reason(error: unknown, { bucket, region }: Place): Reason | undefined {
  const name = nameOf(error)
  const status = statusOf(error)
  switch (name) {
    case 'NoSuchKey':
      return { code: 'ENOENT', text: 'no such object' }
    case 'NoSuchBucket':
      return {
        code: 'EIO',
        text: `no such bucket: ${bucket}. Create it with --create, or correct its name`,
      }
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'ExpiredToken':
    case 'InvalidToken':
      return { code: 'EACCES', text: `the access keys were rejected (${name}): check them` }
    case 'CredentialsProviderError':
      return {
        code: 'EACCES',
        text: 'no access keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile',
      }
    case 'RequestTimeTooSkewed':
      return { code: 'EACCES', text: 'the clock of this machine is wrong: set it' }
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return { code: 'EINVAL', text: `bucket ${bucket} is not in region ${region}` }
    case 'BadDigest':
    case 'InvalidDigest':
    case 'XAmzContentSHA256Mismatch':
    case 'XAmzContentChecksumMismatch':
      return { code: 'EIO', text: `the data was damaged in transit (${name})` }
    case 'InvalidBucketName':
      return { code: 'EINVAL', text: `${bucket} is not a valid bucket name` }
    case 'InvalidRange':
      return { code: 'EINVAL', text: 'the range ends past the end of the object' }
    case 'EntityTooLarge':
    case 'KeyTooLongError':
      return { code: 'EINVAL', text: `the store rejected the object (${name})` }
    case 'RequestTimeout':
      return { code: 'ETIMEDOUT', text: 'the store timed out while it waited for the data' }
    case 'QuotaExceeded':
    case 'XMinioStorageFull':
    case 'XMinioAdminBucketQuotaExceeded':
      return { code: 'ENOSPC', text: `the store is full (${name})` }
    default:
      return status === undefined ? undefined : byStatus(status, name)
  }
}

/** Responses without a body (HEAD), and error names of servers that only resemble S3. */
function byStatus(status: number, name: string): Reason {
  const what = `${status} ${name}`
  if (status === 404) return { code: 'ENOENT', text: 'no such object' }
  if (status === 401 || status === 403) {
    return { code: 'EACCES', text: `access denied (${what}): check the keys and their permissions` }
  }
  if (status === 408 || status === 504) return { code: 'ETIMEDOUT', text: `timed out (${what})` }
  if (status === 507) return { code: 'ENOSPC', text: `the store is full (${what})` }
  if (status === 416) return { code: 'EINVAL', text: 'the range ends past the end of the object' }
  return { code: 'EIO', text: `the store responded with ${what}` }
}

export function statusOf(error: unknown): number | undefined {
  const metadata = (error as { $metadata?: { httpStatusCode?: unknown } } | null)?.$metadata
  return typeof metadata?.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}

function nameOf(error: unknown): string {
  const { name, Code } = (error ?? {}) as { name?: unknown; Code?: unknown }
  return typeof Code === 'string' ? Code : typeof name === 'string' ? name : ''
}

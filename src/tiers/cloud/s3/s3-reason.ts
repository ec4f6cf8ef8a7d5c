/**
 * What S3's answers mean: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. A
 * missing bucket is no missing object: it must not pass for ENOENT, or a typing error in a flag
 * would look like lost data.
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
      return { code: 'ENOENT', text: 'there is no such object' }
    case 'NoSuchBucket':
      return {
        code: 'EIO',
        text: `there is no bucket ${bucket}: create it (--create), or correct its name`,
      }
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'ExpiredToken':
    case 'InvalidToken':
      return { code: 'EACCES', text: `the access keys were refused (${name}): check them` }
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
      return { code: 'EIO', text: `the data was damaged on its way (${name})` }
    case 'InvalidBucketName':
      return { code: 'EINVAL', text: `${bucket} cannot be the name of a bucket` }
    case 'InvalidRange':
      return { code: 'EINVAL', text: 'the range is past the end of the object' }
    case 'EntityTooLarge':
    case 'KeyTooLongError':
      return { code: 'EINVAL', text: `the store refuses it (${name})` }
    case 'RequestTimeout':
      return { code: 'ETIMEDOUT', text: 'the store waited too long for the data' }
    case 'QuotaExceeded':
    case 'XMinioStorageFull':
    case 'XMinioAdminBucketQuotaExceeded':
      return { code: 'ENOSPC', text: `the store is full (${name})` }
    default:
      return status === undefined ? undefined : byStatus(status, name)
  }
}

/** Answers without a body (HEAD) and codes of servers that only resemble S3. */
function byStatus(status: number, name: string): Reason {
  const what = `${status} ${name}`
  if (status === 404) return { code: 'ENOENT', text: 'there is no such object' }
  if (status === 401 || status === 403) {
    return { code: 'EACCES', text: `the store denies access (${what}): check keys and rights` }
  }
  if (status === 408 || status === 504) return { code: 'ETIMEDOUT', text: `too slow (${what})` }
  if (status === 507) return { code: 'ENOSPC', text: `the store is full (${what})` }
  if (status === 416) return { code: 'EINVAL', text: 'the range is past the end of the object' }
  return { code: 'EIO', text: `the store answered ${what}` }
}

export function statusOf(error: unknown): number | undefined {
  const metadata = (error as { $metadata?: { httpStatusCode?: unknown } } | null)?.$metadata
  return typeof metadata?.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}

function nameOf(error: unknown): string {
  const { name, Code } = (error ?? {}) as { name?: unknown; Code?: unknown }
  return typeof Code === 'string' ? Code : typeof name === 'string' ? name : ''
}

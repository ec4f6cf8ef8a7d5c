/**
 * What Azure's answers mean:
 * https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes. A missing
 * container is no missing object, as with buckets.
 */
import type { Reason } from '../cloud-caller.ts'

interface Place {
  account: string
  container: string
}

export function azureReason(error: unknown, { account, container }: Place): Reason | undefined {
  const { statusCode, code, details } = (error ?? {}) as Record<string, unknown>
  if (typeof statusCode !== 'number') return undefined
  const inBody = (details as { errorCode?: unknown } | undefined)?.errorCode
  const name = typeof code === 'string' ? code : typeof inBody === 'string' ? inBody : undefined
  switch (name) {
    case 'BlobNotFound':
    case 'ResourceNotFound':
      return { code: 'ENOENT', text: 'there is no such object' }
    case 'ContainerNotFound':
    case 'ContainerBeingDeleted':
      return {
        code: 'EIO',
        text: `there is no container ${container}: create it (--create), or correct its name`,
      }
    case 'AuthenticationFailed':
    case 'AuthorizationFailure':
    case 'InvalidAuthenticationInfo':
      return { code: 'EACCES', text: `the key of account ${account} was refused (${name})` }
    case 'Md5Mismatch':
    case 'InvalidMd5':
    case 'Crc64Mismatch':
      return { code: 'EIO', text: `the data was damaged on its way (${name})` }
    case 'InvalidRange':
      return { code: 'EINVAL', text: 'the range is past the end of the object' }
    case 'InvalidResourceName':
    case 'OutOfRangeInput':
      return { code: 'EINVAL', text: `${container} cannot be the name of a container` }
    case 'OperationTimedOut':
      return { code: 'ETIMEDOUT', text: 'the store took too long' }
    default:
      return byStatus(statusCode, name ?? '')
  }
}

/** Answers without a body (HEAD), and codes that say no more than their status. */
function byStatus(status: number, name: string): Reason {
  const what = `${status} ${name}`.trim()
  if (status === 404) return { code: 'ENOENT', text: 'there is no such object' }
  if (status === 401 || status === 403) {
    return { code: 'EACCES', text: `the store denies access (${what}): check key and rights` }
  }
  if (status === 408 || status === 504) return { code: 'ETIMEDOUT', text: `too slow (${what})` }
  if (status === 416) return { code: 'EINVAL', text: 'the range is past the end of the object' }
  if (status === 507) return { code: 'ENOSPC', text: `the store is full (${what})` }
  return { code: 'EIO', text: `the store answered ${what}` }
}

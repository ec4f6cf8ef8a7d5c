/**
 * Maps error responses of Azure Blob Storage to error codes and messages:
 * https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes. A missing
 * container is EIO, never ENOENT, so that a mistyped container name cannot pass for a missing
 * object (as for S3 buckets).
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
      return { code: 'ENOENT', text: 'no such object' }
    case 'ContainerNotFound':
    case 'ContainerBeingDeleted':
      return {
        code: 'EIO',
        text: `no such container: ${container}. Create it with --create, or correct its name`,
      }
    case 'AuthenticationFailed':
    case 'AuthorizationFailure':
    case 'InvalidAuthenticationInfo':
      return { code: 'EACCES', text: `the key of account ${account} was rejected (${name})` }
    case 'Md5Mismatch':
    case 'InvalidMd5':
    case 'Crc64Mismatch':
      return { code: 'EIO', text: `the data was damaged in transit (${name})` }
    case 'InvalidRange':
      return { code: 'EINVAL', text: 'the range ends past the end of the object' }
    case 'InvalidResourceName':
    case 'OutOfRangeInput':
      return { code: 'EINVAL', text: `${container} is not a valid container name` }
    case 'OperationTimedOut':
      return { code: 'ETIMEDOUT', text: 'the store timed out' }
    default:
      return byStatus(statusCode, name ?? '')
  }
}

/** Responses without a body (HEAD), and error names that add nothing to the status. */
function byStatus(status: number, name: string): Reason {
  const what = `${status} ${name}`.trim()
  if (status === 404) return { code: 'ENOENT', text: 'no such object' }
  if (status === 401 || status === 403) {
    return { code: 'EACCES', text: `access denied (${what}): check the key and its permissions` }
  }
  if (status === 408 || status === 504) return { code: 'ETIMEDOUT', text: `timed out (${what})` }
  if (status === 416) return { code: 'EINVAL', text: 'the range ends past the end of the object' }
  if (status === 507) return { code: 'ENOSPC', text: `the store is full (${what})` }
  return { code: 'EIO', text: `the store responded with ${what}` }
}

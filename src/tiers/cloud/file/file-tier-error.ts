/**
 * Translates errors of the local file system to the error codes of the tier contract, with a
 * message that names the operation, the object and the cause.
 */
import { abortError } from '../../../base/async/abort.ts'
import { FsError, codeOf } from '../../../base/fs-error.ts'
import type { FsErrorCode } from '../../../base/fs-error.ts'

export interface Attempt {
  verb: string
  key?: string | undefined
  /** Name of the tier. */
  name: string
  signal?: AbortSignal | undefined
}

/** ENOTDIR: a part of the key is an object. ELOOP: a symbolic link has the name of the object. */
export function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(codeOf(error))
}

export function fileTierError(thrown: unknown, { verb, key, name, signal }: Attempt): FsError {
  const isAbort = (thrown as Error).name === 'AbortError' && signal?.aborted
  const error = isAbort ? abortError(signal) : thrown
  const subject = key === undefined ? name : `${key} at ${name}`
  const isOther = ['ELOOP', 'ENXIO'].includes(codeOf(error))
  const message = isOther ? 'it is not a regular file' : (error as Error).message
  const text = message.replace(/^E[A-Z0-9]+: /, '')
  return new FsError(contractCode(error, verb === 'write'), `cannot ${verb} ${subject}: ${text}`, {
    path: key,
    cause: error instanceof FsError ? error.cause : undefined,
  })
}

function contractCode(error: unknown, isWrite: boolean): FsErrorCode {
  const code = codeOf(error)
  switch (code) {
    case 'ENOTDIR':
    case 'ELOOP':
    case 'ENXIO':
      // A part of the key is an object, so a directory cannot contain this key.
      return isWrite ? 'EINVAL' : 'ENOENT'
    case 'EISDIR':
    case 'EEXIST':
    case 'ENOTEMPTY':
    case 'ENAMETOOLONG':
      return 'EINVAL'
    case 'EPERM':
    case 'EROFS':
      return 'EACCES'
    case 'ENOENT':
    case 'EINVAL':
    case 'EACCES':
    case 'ETIMEDOUT':
    case 'ECANCELED':
    case 'ENOSPC':
      return code
    default:
      return 'EIO'
  }
}

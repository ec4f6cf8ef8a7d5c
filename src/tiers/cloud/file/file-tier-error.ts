/**
 * Errors of the local file system, told as those of a tier: the codes of its contract only, and in
 * one sentence what was tried, where, and why it failed.
 */
import { abortError } from '../../../base/abort.ts'
import { FsError, codeOf } from '../../../base/fs-error.ts'
import type { FsErrorCode } from '../../../base/fs-error.ts'

export interface Attempt {
  verb: string
  key?: string | undefined
  /** Of the tier. */
  name: string
  signal?: AbortSignal | undefined
}

/** ENOTDIR: a part of the key is a file. ELOOP: a symbolic link is in the object's place. */
export function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(codeOf(error))
}

export function fileTierError(thrown: unknown, { verb, key, name, signal }: Attempt): FsError {
  const isAbort = (thrown as Error).name === 'AbortError' && signal?.aborted
  const error = isAbort ? abortError(signal) : thrown
  const subject = key === undefined ? name : `${key} at ${name}`
  const text = (error as Error).message.replace(/^E[A-Z0-9]+: /, '')
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
      // Part of the key is an object already: in a directory, this key cannot be.
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

/**
 * Errors in the wording of `node:fs` (`ENOENT: no such file or directory, open '/a'`), which code
 * and people know. All errors that a file system throws are created or translated here.
 */
import { FsError, codeOf } from '../base/fs-error.ts'
import type { FsErrorCode } from '../base/fs-error.ts'

const TEXTS: Partial<Record<FsErrorCode, string>> = {
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  EBADF: 'bad file descriptor',
  EACCES: 'permission denied',
  EBUSY: 'resource busy or locked',
  EEXIST: 'file already exists',
  EXDEV: 'cross-device link not permitted',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  EINVAL: 'invalid argument',
  EFBIG: 'file too large',
  ENOSPC: 'no space left on device',
  EROFS: 'read-only file system',
  ENOSYS: 'function not implemented',
  ENOTEMPTY: 'directory not empty',
  ELOOP: 'too many symbolic links encountered',
  EOPNOTSUPP: 'operation not supported',
  ESTALE: 'the file has changed',
}

interface Details {
  cause?: unknown
  dest?: string | undefined
  /** Message that is more specific than that of the code. */
  text?: string | undefined
}

export function failure(
  code: FsErrorCode,
  syscall: string,
  path?: string,
  { cause, dest, text }: Details = {},
): FsError {
  const to = dest === undefined ? '' : ` -> '${dest}'`
  const where = path === undefined ? syscall : `${syscall} '${path}'${to}`
  return new FsError(code, `${text ?? TEXTS[code] ?? 'failed'}, ${where}`, { syscall, path, cause })
}

/**
 * Translates an error of another source (Node, a store) for this path; the original is its cause.
 */
export function failureOf(error: unknown, syscall: string, path: string): FsError {
  if (error instanceof FsError && error.path === path) return error
  const code = codeOf(error)
  const isKnown = code !== 'EIO' || (error as { code?: unknown } | null)?.code === 'EIO'
  const text = error instanceof FsError ? error.message.slice(error.code.length + 2) : undefined
  const message = isKnown ? text : error instanceof Error ? error.message : undefined
  return failure(code, syscall, path, { cause: error, text: message })
}

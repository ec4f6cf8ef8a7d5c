/**
 * The error class of the file system, with the fields of Node's own errors (`code`, `errno`,
 * `syscall`, `path`, `cause`). All layers throw it; only the outermost translate it, to an errno at
 * the mount and to a status over HTTP. A code that is not in the table cannot be thrown.
 */

/** Linux errno of every error code that this file system uses. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  ESTALE: 116,
  ECANCELED: 125,
} as const

export type FsErrorCode = keyof typeof ERRNO

export interface FsErrorDetails {
  syscall?: string | undefined
  path?: string | undefined
  cause?: unknown
}

let hasStacks = true

/**
 * From now on the errors of this thread have no stack: capturing one takes as long as looking up a
 * name that does not exist.
 */
export function leaveOutStacks(): void {
  hasStacks = false
}

export class FsError extends Error {
  readonly code: FsErrorCode
  /** Negative errno, as in Node's errors. */
  readonly errno: number
  readonly syscall: string | undefined
  readonly path: string | undefined

  constructor(code: FsErrorCode, message: string, details: FsErrorDetails = {}) {
    const { stackTraceLimit } = Error
    if (!hasStacks) Error.stackTraceLimit = 0
    super(`${code}: ${message}`, details.cause === undefined ? undefined : { cause: details.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'FsError'
    this.code = code
    this.errno = -ERRNO[code]
    this.syscall = details.syscall
    this.path = details.path
  }
}

/**
 * Code of an error of this file system or of Node; EIO if it has no code, or one that is not in the
 * table. EDQUOT becomes ENOSPC: an exhausted disk quota is handled like a full disk.
 */
export function codeOf(error: unknown): FsErrorCode {
  const code = (error as { code?: unknown } | null)?.code
  if (code === 'EDQUOT') return 'ENOSPC'
  return typeof code === 'string' && Object.hasOwn(ERRNO, code) ? (code as FsErrorCode) : 'EIO'
}

/**
 * The error as one line for logs and terminals: its message, then the messages of its causes. A
 * cause that the text contains already (with or without its code) is left out.
 */
export function describe(error: unknown): string {
  let text = ''
  let code: string | undefined
  for (let e = error, depth = 0; e !== undefined && e !== null && depth < 5; depth++) {
    const message = e instanceof Error ? e.message : typeof e === 'string' ? e : JSON.stringify(e)
    const [, own, rest] = /^(?:(E[A-Z0-9]+): )?([^]*)$/.exec(message) ?? []
    if (depth === 0) text = message
    else if (!text.includes(gistOf(rest ?? ''))) {
      text += `: ${own === code ? (rest ?? '') : message}`
    }
    code = own ?? code
    e = e instanceof Error ? e.cause : undefined
  }
  return text
}

/** The message without the syscall and path that Node appends: `no such file, open '/a'`. */
function gistOf(message: string): string {
  return message.replace(/, [a-z]+( '[^]*')?$/, '')
}

/** Whether the machine, the network or a user caused the error; else it is a programming error. */
export function isExpected(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)
}

/**
 * The one error of the file system: shaped like Node's own (`code`, `errno`, `syscall`, `path`,
 * `cause`), thrown by every layer and translated only at the edges (to an errno at the mount, to a
 * status over HTTP). The table is exhaustive: a code that is not listed cannot be thrown.
 */

/** Linux errno of every code that this file system answers with. */
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

let areTraced = true

/**
 * From here on the errors of this thread have no stack: to take one lasts as long as to look up the
 * name that is not there.
 */
export function leaveOutStacks(): void {
  areTraced = false
}

export class FsError extends Error {
  readonly code: FsErrorCode
  /** Negative errno, as in Node's own errors. */
  readonly errno: number
  readonly syscall: string | undefined
  readonly path: string | undefined

  constructor(code: FsErrorCode, message: string, details: FsErrorDetails = {}) {
    const { stackTraceLimit } = Error
    if (!areTraced) Error.stackTraceLimit = 0
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
 * Code of an error of this file system or of Node's; EIO for anything that names none we know. A
 * disk whose quota is used up is a full disk to all that is done about it.
 */
export function codeOf(error: unknown): FsErrorCode {
  const code = (error as { code?: unknown } | null)?.code
  if (code === 'EDQUOT') return 'ENOSPC'
  return typeof code === 'string' && Object.hasOwn(ERRNO, code) ? (code as FsErrorCode) : 'EIO'
}

/**
 * One line for logs and terminals: the message, then what its causes add. What they repeat is left
 * out: an error that was passed on in other words has said it, with or without its code.
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

/** Without the call and the path that Node adds: `no such file or directory, open '/a'`. */
function gistOf(message: string): string {
  return message.replace(/, [a-z]+( '[^]*')?$/, '')
}

/** Of the machine, the network or a user; all else is a mistake of ours, found by its stack. */
export function isExpected(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)
}

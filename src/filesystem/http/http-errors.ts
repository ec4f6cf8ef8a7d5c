/**
 * Translates error responses and network errors to FsErrors. The code comes from the body if a
 * CacheFS server sent one, else from the status.
 */
import { abortError } from '../../base/async/abort.ts'
import { ERRNO, FsError } from '../../base/fs-error.ts'
import type { FsErrorCode } from '../../base/fs-error.ts'
import { failure } from '../failure.ts'

const BY_STATUS: Record<number, FsErrorCode> = {
  401: 'EACCES',
  403: 'EACCES',
  404: 'ENOENT',
  405: 'EOPNOTSUPP',
  408: 'ETIMEDOUT',
  409: 'EBUSY',
  410: 'ENOENT',
  412: 'ESTALE',
  413: 'EFBIG',
  414: 'ENAMETOOLONG',
  429: 'EAGAIN',
  501: 'EOPNOTSUPP',
  503: 'EAGAIN',
  504: 'ETIMEDOUT',
  507: 'ENOSPC',
}

export async function errorOf(answer: Response, syscall: string, path: string): Promise<FsError> {
  const { status } = answer
  const text = await answer.text().catch(() => '')
  const sentCode = codeIn(text)
  const code = status === 412 ? 'ESTALE' : (sentCode ?? BY_STATUS[status] ?? 'EIO')
  const cause = new Error(`the server responded with ${status}: ${text.slice(0, 200)}`)
  return failure(code, syscall, path, { cause })
}

function codeIn(text: string): FsErrorCode | undefined {
  try {
    const { code } = (JSON.parse(text) as { error: { code: unknown } }).error
    const isKnown = typeof code === 'string' && Object.hasOwn(ERRNO, code)
    return isKnown ? (code as FsErrorCode) : undefined
  } catch {
    return undefined
  }
}

export function networkError(
  error: unknown,
  signal: AbortSignal | undefined,
  url: string,
): FsError {
  if (signal?.aborted === true) return abortError(signal)
  // An error of the caller's request body is nested in the causes.
  for (let it = error; it instanceof Error; it = it.cause) if (it instanceof FsError) return it
  return new FsError('EIO', `no answer from ${new URL(url).host}`, { cause: error })
}

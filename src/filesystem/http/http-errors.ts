/**
 * Answers of a server, and the lack of one, as errors of a file system: the code that a CacheFS
 * server puts into the body, else what the status says.
 */
import { abortError } from '../../base/abort.ts'
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
  const said = codeIn(text)
  const code = status === 412 ? 'ESTALE' : (said ?? BY_STATUS[status] ?? 'EIO')
  const cause = new Error(`the server answered ${status}: ${text.slice(0, 200)}`)
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
  // A body that fails is the caller's: its own error is deeper in.
  for (let it = error; it instanceof Error; it = it.cause) if (it instanceof FsError) return it
  return new FsError('EIO', `no answer from ${new URL(url).host}`, { cause: error })
}

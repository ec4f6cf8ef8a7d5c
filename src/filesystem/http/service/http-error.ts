/**
 * Error responses and their form: `{ error: { code, message, path } }`. Codes are those of the file
 * system, so scripts need only one list. Where HTTP is more precise (412, 415), the status makes
 * the difference.
 */
import { FsError, codeOf, describe } from '../../../base/fs-error.ts'
import type { FsErrorCode, FsErrorDetails } from '../../../base/fs-error.ts'
import { HTTP_STATUS } from './http-status.ts'

/** An error with an explicit status, and headers if it needs them. */
export class HttpError extends FsError {
  readonly status: number
  readonly headers: Record<string, string>

  constructor(
    status: number,
    code: FsErrorCode,
    message: string,
    details: FsErrorDetails & { headers?: Record<string, string> } = {},
  ) {
    super(code, message, details)
    this.status = status
    this.headers = details.headers ?? {}
  }
}

export interface ErrorAnswer {
  status: number
  headers: Record<string, string>
  body: object
}

export function answerTo(error: unknown): ErrorAnswer {
  if (error instanceof HttpError) {
    const { status, headers, code, message, path } = error
    return { status, headers, body: errorBody(code, message, path) }
  }
  if (error instanceof FsError) {
    const { code, message, path } = error
    const headers: Record<string, string> = HTTP_STATUS[code] === 503 ? { 'retry-after': '1' } : {}
    return { status: HTTP_STATUS[code], headers, body: errorBody(code, message, path) }
  }
  // A server's own errors: wrong media type, malformed JSON, body too large.
  const { statusCode = 500, message } = error as Error & { statusCode?: number }
  if (statusCode < 500) {
    const code = statusCode === 413 ? 'EFBIG' : 'EINVAL'
    return { status: statusCode, headers: {}, body: errorBody(code, message) }
  }
  const code = codeOf(error)
  return { status: HTTP_STATUS[code], headers: {}, body: errorBody(code, describe(error)) }
}

export function errorBody(code: string, message: string, path?: string): object {
  return { error: { code, message, ...(path === undefined ? {} : { path }) } }
}

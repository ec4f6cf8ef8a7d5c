/**
 * Checks which requests a server accepts: HTTP/1.1 or 1.0 with a plain or chunked body; the body of
 * a PUT must be the file itself.
 *
 * Invariant: a body with a coding that was not decoded is never stored as a file.
 */
import type { IncomingMessage } from 'node:http'
import type { FsErrorCode } from '../../../base/fs-error.ts'

export interface Refusal {
  status: number
  code: FsErrorCode
  message: string
}

const TRUE_VERSIONS = new Set(['1.0', '1.1'])

/** Undefined if the request is acceptable (RFC 9112, sections 2.3 and 6.1). */
export function framingRefusal({ httpVersion, headers }: IncomingMessage): Refusal | undefined {
  if (!TRUE_VERSIONS.has(httpVersion)) return VERSION
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (coding.trim().toLowerCase() !== 'chunked') {
    const message = 'send the body as it is or in chunks: other transfer codings are not supported'
    return { status: 501, code: 'EOPNOTSUPP', message }
  }
  if (httpVersion === '1.1') return undefined
  return { status: 400, code: 'EINVAL', message: 'HTTP/1.0 has no Transfer-Encoding' }
}

/** Undefined if the body is a complete file (RFC 9110, sections 8.4 and 14.5). */
export function fileBodyRefusal({
  headers,
}: Pick<IncomingMessage, 'headers'>): Refusal | undefined {
  const { 'content-encoding': coding = 'identity', 'content-range': range } = headers
  if (coding.toLowerCase() !== 'identity') {
    const message = 'send the file itself, not an encoding of it'
    return { status: 415, code: 'EOPNOTSUPP', message }
  }
  if (range === undefined) return undefined
  return {
    status: 400,
    code: 'EINVAL',
    message: 'Content-Range is not supported: send the whole file',
  }
}

/** Also for clients that start with HTTP/2 on this port. */
export const VERSION: Refusal = {
  status: 505,
  code: 'EOPNOTSUPP',
  message: 'use HTTP/1.1: other versions are not supported',
}

/**
 * What a server takes as a request at all: HTTP/1.1 or 1.0, its body as it is or in chunks, and as
 * body of a PUT the file itself.
 *
 * Invariant: a body that arrived under a coding that was not undone is never taken for a file.
 */
import type { IncomingMessage } from 'node:http'
import type { FsErrorCode } from '../../base/fs-error.ts'

export interface Refusal {
  status: number
  code: FsErrorCode
  message: string
}

const TRUE_VERSIONS = new Set(['1.0', '1.1'])

/** Undefined: it can be taken (RFC 9112, sections 2.3 and 6.1). */
export function framingRefusal({ httpVersion, headers }: IncomingMessage): Refusal | undefined {
  if (!TRUE_VERSIONS.has(httpVersion)) return VERSION
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (coding.trim().toLowerCase() !== 'chunked') {
    const message = 'send the body as it is or in chunks: no other transfer coding is undone here'
    return { status: 501, code: 'EOPNOTSUPP', message }
  }
  if (httpVersion === '1.1') return undefined
  return { status: 400, code: 'EINVAL', message: 'HTTP/1.0 has no Transfer-Encoding' }
}

/** Undefined: the body is a file, whole (RFC 9110, sections 8.4 and 14.5). */
export function fileBodyRefusal({
  headers,
}: Pick<IncomingMessage, 'headers'>): Refusal | undefined {
  const { 'content-encoding': coding = 'identity', 'content-range': range } = headers
  if (coding.toLowerCase() !== 'identity') {
    const message = 'send the file itself, not an encoding of it'
    return { status: 415, code: 'EOPNOTSUPP', message }
  }
  if (range === undefined) return undefined
  return { status: 400, code: 'EINVAL', message: 'a file is replaced whole: no Content-Range' }
}

/** Also of who begins with HTTP/2 on this port. */
export const VERSION: Refusal = {
  status: 505,
  code: 'EOPNOTSUPP',
  message: 'use HTTP/1.1: nothing else is spoken here',
}

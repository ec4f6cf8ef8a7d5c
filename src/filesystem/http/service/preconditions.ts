/**
 * Conditional requests (RFC 9110, section 13), evaluated in the order that the RFC prescribes.
 * Dates are compared in whole seconds, the resolution of HTTP dates.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Stats } from '../../stats.ts'
import { HttpError } from './http-error.ts'

/** Result of the evaluation: continue, or the response to send instead. */
export type Verdict = 'go on' | 'not modified' | 'precondition failed'

/** `stat`: undefined if there is no file. */
export function judge(
  method: string,
  headers: IncomingHttpHeaders,
  stat: Stats | undefined,
): Verdict {
  const reads = method === 'GET' || method === 'HEAD'
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  if (ifMatch !== undefined) {
    if (!lists(ifMatch, stat, 'strong')) return 'precondition failed'
  } else if (isModifiedSince(headers['if-unmodified-since'], stat) === true) {
    return 'precondition failed'
  }
  if (ifNoneMatch !== undefined) {
    if (lists(ifNoneMatch, stat, 'weak')) return reads ? 'not modified' : 'precondition failed'
  } else if (reads && isModifiedSince(headers['if-modified-since'], stat) === false) {
    return 'not modified'
  }
  return 'go on'
}

/** If-Range: the ranges apply only to the version that the client has. */
export function rangesApply(header: string | undefined, stat: Stats): boolean {
  if (header === undefined) return true
  if (header.startsWith('"')) return header === quoted(stat)
  const date = Date.parse(header)
  return !Number.isNaN(date) && Math.floor(stat.mtimeMs / 1000) === Math.floor(date / 1000)
}

/** The entity tag in quotes; characters that a tag cannot have are escaped. */
export function quoted({ etag }: Stats): string {
  return `"${etag.replaceAll(/[^\x21\x23-\x7e]/g, encodeURIComponent)}"`
}

function lists(header: string, stat: Stats | undefined, how: 'strong' | 'weak'): boolean {
  if (stat === undefined) return false
  if (header.trim() === '*') return true
  // Tags may contain commas, so the list is searched, not split.
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? []
  return tags.some((tag) => (how === 'weak' ? tag.replace(/^W\//, '') : tag) === quoted(stat))
}

/** Undefined if there is no valid date or no file. */
function isModifiedSince(header: string | undefined, stat: Stats | undefined): boolean | undefined {
  const date = header === undefined ? NaN : Date.parse(header)
  if (Number.isNaN(date) || stat === undefined) return undefined
  return Math.floor(stat.mtimeMs / 1000) > Math.floor(date / 1000)
}

export function preconditionFailed(path: string, cause?: unknown): HttpError {
  return new HttpError(412, 'ESTALE', 'the file is not as the request expects', { path, cause })
}

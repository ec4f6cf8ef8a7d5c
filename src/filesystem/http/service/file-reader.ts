/**
 * GET and HEAD: a file (whole, in ranges, with preconditions), or the entries of a directory. The
 * first piece of the body is read before the answer is given, so that most failures have a status.
 */
import { FsError, codeOf } from '../../../base/fs-error.ts'
import { filesystemLimits } from '../../limits.ts'
import type { Stats } from '../../stats.ts'
import { contentRange, parseRanges } from './byte-ranges.ts'
import { contentTypeOf } from './content-type.ts'
import { listing } from './directory-listing.ts'
import { multipartBody, rangeBody, wholeBody } from './file-body.ts'
import type { FileVersion } from './file-body.ts'
import type { FileAnswer, FileRequest, ServedFiles } from './file-request.ts'
import { HttpError } from './http-error.ts'
import type { Piece } from './paced-answer.ts'
import { judge, preconditionFailed, quoted, rangesApply } from './preconditions.ts'

export class FileReader {
  readonly #files: ServedFiles

  constructor(files: ServedFiles) {
    this.#files = files
  }

  async answer(request: FileRequest): Promise<FileAnswer> {
    const { path, signal, isDirectory } = request
    const stats = await this.#find(path, signal)
    if (stats?.isDirectory()) return await this.#list(request)
    if (stats === undefined || (stats.isFile() && isDirectory)) throw missing(path)
    if (stats.isFile()) return await this.#file(request, stats)
    throw new FsError('EOPNOTSUPP', 'it is neither a file nor a directory', { path })
  }

  async file(path: string, signal: AbortSignal): Promise<Stats> {
    const stats = await this.#find(path, signal)
    if (!stats?.isFile()) throw missing(path)
    return stats
  }

  /** Retries if the file is replaced between stat and open. */
  async #file(request: FileRequest, found: Stats): Promise<FileAnswer> {
    const { path, signal } = request
    let stats = found
    for (let attempt = 1; ; attempt++) {
      const answer = answerOf(request, { files: this.#files, path, stats, signal })
      try {
        return await begun(answer)
      } catch (error) {
        const isLast = attempt === filesystemLimits.versionAttempts
        if (codeOf(error) !== 'ESTALE' || isLast) throw error
        stats = await this.file(path, signal)
      }
    }
  }

  async #list({ path, signal, headers, method }: FileRequest): Promise<FileAnswer> {
    const entries = this.#files.list(path, { signal })
    const { pieces, contentType } = listing(entries, headers.accept)
    const about = { 'content-type': contentType, 'x-content-type-options': 'nosniff' }
    const answer = await begun({ status: 200, headers: about, pieces })
    if (method !== 'HEAD') return answer
    await answer.pieces?.return(undefined)
    return { status: 200, headers: about }
  }

  /** Undefined if nothing exists at the path; ENOTDIR counts, since a file has nothing below it. */
  async #find(path: string, signal: AbortSignal): Promise<Stats | undefined> {
    try {
      return await this.#files.stat(path, { signal })
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
      throw error
    }
  }
}

function answerOf(request: FileRequest, version: FileVersion): FileAnswer {
  const { path, stats } = version
  const headers: Record<string, string> = {
    etag: quoted(stats),
    'last-modified': new Date(stats.mtimeMs).toUTCString(),
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    // An HTML file of a user must not run with the origin of this server.
    'content-security-policy': 'sandbox',
  }
  const verdict = judge(request.method, request.headers, stats)
  if (verdict === 'not modified') return { status: 304, headers }
  if (verdict === 'precondition failed') throw preconditionFailed(path)
  headers['content-type'] = contentTypeOf(path)
  if (request.method !== 'HEAD') return content(request, version, headers)
  headers['content-length'] = String(stats.size)
  return { status: 200, headers }
}

function content(
  { headers: asked }: FileRequest,
  version: FileVersion,
  headers: Record<string, string>,
): FileAnswer {
  const { path, stats } = version
  const applies = rangesApply(asked['if-range']?.toString(), stats)
  const ranges = applies ? parseRanges(asked.range, stats.size) : undefined
  const [first, second] = ranges ?? []
  if (ranges !== undefined && first === undefined) throw noRange(path, stats.size)
  const several = ranges !== undefined && second !== undefined
  const type = headers['content-type'] ?? ''
  if (several) {
    const { pieces, length, contentType } = multipartBody(version, ranges, type)
    const about = { 'content-type': contentType, 'content-length': String(length) }
    return { status: 206, headers: { ...headers, ...about }, pieces }
  }
  const { pieces, length } = first ? rangeBody(version, first) : wholeBody(version)
  const range = first ? { 'content-range': contentRange(first, stats.size) } : {}
  const about = { ...range, 'content-length': String(length) }
  return { status: first ? 206 : 200, headers: { ...headers, ...about }, pieces }
}

function noRange(path: string, size: number): HttpError {
  const headers = { 'content-range': `bytes */${size}` }
  const message = `no such range: the file has ${size} bytes`
  return new HttpError(416, 'EINVAL', message, { path, headers })
}

/** The answer, with its first piece read. */
async function begun(answer: FileAnswer): Promise<FileAnswer> {
  const { pieces } = answer
  if (pieces === undefined) return answer
  const first = await pieces.next()
  async function* all(rest: AsyncGenerator<Piece>): AsyncGenerator<Piece> {
    try {
      if (first.done !== true) yield first.value
      yield* rest
    } finally {
      await rest.return(undefined)
    }
  }
  return { ...answer, pieces: all(pieces) }
}

function missing(path: string): FsError {
  return new FsError('ENOENT', `${path} does not exist`, { path })
}

/**
 * GET and HEAD of `/api/files/{path}`: a file (whole, in ranges, with preconditions), the entries
 * of a directory, or a size.
 *
 * `{path}/size` is the size of the file at {path}, unless that very path exists. The two cannot
 * collide: a file has nothing below it, so `{path}/size` exists only if {path} is a directory,
 * which has no such size.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FsError, codeOf } from '../../base/fs-error.ts'
import type { FileStat, FileStore } from '../../filesystem/file-store.ts'
import { httpLimits } from '../limits.ts'
import { contentRange, parseRanges } from './byte-ranges.ts'
import { clientSignal } from '../server/client-signal.ts'
import { contentTypeOf } from './content-type.ts'
import { listing } from './directory-listing.ts'
import { VersionGone, multipartBody, rangeBody, wholeBody } from './file-body.ts'
import type { Body, FileVersion } from './file-body.ts'
import { filePath, namesDirectory } from './file-path.ts'
import { HttpError } from '../server/http-error.ts'
import { judge, quoted, rangesApply } from './preconditions.ts'
import { streamed } from '../server/streamed-answer.ts'

const SIZE_SUFFIX = '/size'

export class FileReader {
  readonly #files: FileStore
  readonly #prefix: string

  constructor(files: FileStore, prefix: string) {
    this.#files = files
    this.#prefix = prefix
  }

  async answer(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const target = request.raw.url ?? ''
    const path = filePath(target, this.#prefix)
    const signal = clientSignal(reply)
    const stat = await this.#find(path, signal)
    if (stat?.isDirectory()) return await this.#list(path, signal, request, reply)
    if (stat?.isFile() && !namesDirectory(target)) {
      return await this.#file({ files: this.#files, path, stat, signal }, request, reply)
    }
    if (stat === undefined && path.endsWith(SIZE_SUFFIX)) {
      return await this.#size(path.slice(0, -SIZE_SUFFIX.length) || '/', signal)
    }
    if (stat === undefined || stat.isFile()) throw missing(path)
    throw new FsError('EOPNOTSUPP', 'it is neither a file nor a directory', { path })
  }

  /** Retries if the file is replaced between stat and open. */
  async #file(
    version: FileVersion,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const { path, signal } = version
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#version(version, request, reply)
      } catch (error) {
        if (!(error instanceof VersionGone) || attempt === httpLimits.apiVersionAttempts)
          throw error
        const stat = await this.#find(path, signal)
        if (!stat?.isFile()) throw missing(path)
        version.stat = stat
      }
    }
  }

  async #version(
    version: FileVersion,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const { path, stat } = version
    const contentType = contentTypeOf(path)
    reply.code(200).removeHeader('content-range')
    reply.headers({
      etag: quoted(stat),
      'last-modified': new Date(stat.mtimeMs).toUTCString(),
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      // An HTML file of a user must not run with the origin of this API.
      'content-security-policy': 'sandbox',
    })
    switch (judge(request.method, request.headers, stat)) {
      case 'not modified':
        return await reply.code(304).send()
      case 'precondition failed':
        throw new HttpError(412, 'ESTALE', 'the file is not as the request expects', { path })
      case 'go on':
    }
    reply.type(contentType)
    if (request.method === 'HEAD') return await reply.header('content-length', stat.size).send()
    const { pieces, length } = this.#body(version, contentType, request, reply)
    return await streamed(reply.header('content-length', length), pieces)
  }

  #body(
    version: FileVersion,
    contentType: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Body {
    const { path, stat } = version
    const { range, 'if-range': ifRange } = request.headers
    const isAsked = range !== undefined && rangesApply(ifRange?.toString(), stat)
    const ranges = isAsked ? parseRanges(range, stat.size) : undefined
    if (ranges === undefined) return wholeBody(version)
    const [first, second] = ranges
    if (first === undefined) {
      const headers = { 'content-range': `bytes */${stat.size}` }
      const message = `no such range: the file has ${stat.size} bytes`
      throw new HttpError(416, 'EINVAL', message, { path, headers })
    }
    if (second !== undefined) {
      const body = multipartBody(version, ranges, contentType)
      reply.code(206).type(body.contentType)
      return body
    }
    const body = rangeBody(version, first)
    reply.code(206).header('content-range', contentRange(first, stat.size))
    return body
  }

  async #size(path: string, signal: AbortSignal): Promise<unknown> {
    const stat = await this.#find(path, signal)
    if (!stat?.isFile()) throw missing(path)
    return { path, size: stat.size }
  }

  async #list(
    path: string,
    signal: AbortSignal,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const entries = this.#files.readdir(path, { signal })
    const { pieces, contentType } = listing(entries, request.headers.accept)
    reply.type(contentType).header('x-content-type-options', 'nosniff')
    if (request.method !== 'HEAD') return await streamed(reply, pieces)
    // Reading the first piece reports most errors.
    await pieces.next()
    await pieces.return(undefined)
    return await reply.send()
  }

  /** Undefined if nothing exists at the path; ENOTDIR counts, since a file has nothing below it. */
  async #find(path: string, signal: AbortSignal): Promise<FileStat | undefined> {
    try {
      return await this.#files.stat(path, { signal })
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
      throw error
    }
  }
}

function missing(path: string): FsError {
  return new FsError('ENOENT', `${path} does not exist`, { path })
}

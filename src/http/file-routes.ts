/**
 * `/api/files/{path}`: read, replace, remove, ask. Bodies are streams both ways. A directory
 * answers GET with its entries. `/api/files/{path}/size` is the size of the file at {path}, unless
 * a file of that very path (named `size`) exists: then it is that file.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { FsError, codeOf } from '../base/fs-error.ts'
import type { FileStat, FileSystem } from '../filesystem/file-system.ts'
import { contentRange, parseRanges } from './byte-ranges.ts'
import { multipartBody, rangeBody, type Body } from './file-body.ts'
import { filePath } from './file-path.ts'
import { judge, quoted, rangesApply } from './preconditions.ts'

const PREFIX = '/api/files/'
const SIZE_SUFFIX = '/size'
const ANY_TYPE = 'application/octet-stream'

export interface FileRoutesOptions {
  files: FileSystem
  maxUploadBytes: number
}

/** In a scope of its own: here bodies are passed on as they come, whatever their type. */
export function fileRoutes(app: FastifyInstance, options: FileRoutesOptions): void {
  const routes = new FileRoutes(options)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => {
    done(null, payload)
  })
  const url = `${PREFIX}*`
  const schema = (summary: string): { summary: string; tags: string[] } => ({
    summary,
    tags: ['files'],
  })
  app.get(url, { schema: schema('The file, or the entries of the directory') }, routes.get)
  app.head(url, { schema: schema('What GET would say, without the content') }, routes.head)
  app.put(url, { schema: schema('Replaces the file, whole or not at all') }, routes.put)
  app.delete(url, { schema: schema('Removes the file or the empty directory') }, routes.remove)
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

class FileRoutes {
  readonly #files: FileSystem
  readonly #maxUploadBytes: number

  constructor({ files, maxUploadBytes }: FileRoutesOptions) {
    this.#files = files
    this.#maxUploadBytes = maxUploadBytes
  }

  readonly get: Handler = async (request, reply) => {
    const path = filePath(request.raw.url ?? '', PREFIX)
    const stat = await this.#find(path)
    if (stat === undefined && path.endsWith(SIZE_SUFFIX)) return await this.#size(path)
    if (stat === undefined) throw missing(path)
    if (stat.isDirectory()) return await this.#list(path, request, reply)
    if (this.#isAnswered(request, reply, stat)) return await reply.send()
    const body = await this.#body(path, stat, request, reply)
    if (body === undefined) return await reply.send()
    reply.header('content-length', body.length)
    if (body.contentType !== undefined) reply.type(body.contentType)
    return await reply.send(body.stream)
  }

  readonly head: Handler = async (request, reply) => {
    const path = filePath(request.raw.url ?? '', PREFIX)
    const stat = await this.#files.stat(path)
    if (stat.isDirectory()) return await reply.type('application/json; charset=utf-8').send()
    if (this.#isAnswered(request, reply, stat)) return await reply.send()
    reply.header('content-length', stat.size)
    return await reply.send()
  }

  readonly put: Handler = async (request, reply) => {
    const path = filePath(request.raw.url ?? '', PREFIX)
    const declared = Number(request.headers['content-length'] ?? 0)
    if (declared > this.#maxUploadBytes) {
      reply.header('connection', 'close')
      throw new FsError('EFBIG', `more than the ${this.#maxUploadBytes} bytes allowed`, { path })
    }
    const before = await this.#find(path)
    if (judge('PUT', request.headers, before) !== 'go on') {
      reply.header('connection', 'close')
      return await reply.code(412).send(errorBody('EEXIST', 'a precondition does not hold', path))
    }
    const stat = await this.#files.writeFile(path, request.raw, {
      parents: true,
      maxBytes: this.#maxUploadBytes,
      signal: signalOf(request, reply),
    })
    reply.header('etag', quoted(stat))
    return await reply.code(before === undefined ? 201 : 200).send({ path, size: stat.size })
  }

  readonly remove: Handler = async (request, reply) => {
    const path = filePath(request.raw.url ?? '', PREFIX)
    const stat = await this.#files.lstat(path)
    if (judge('DELETE', request.headers, stat) !== 'go on') {
      return await reply.code(412).send(errorBody('EEXIST', 'a precondition does not hold', path))
    }
    await this.#files.remove(path)
    return await reply.code(204).send()
  }

  async #size(path: string): Promise<unknown> {
    const file = path.slice(0, -SIZE_SUFFIX.length) || '/'
    const { size } = await this.#files.stat(file)
    return { path: file, size }
  }

  async #find(path: string): Promise<FileStat | undefined> {
    try {
      return await this.#files.stat(path)
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
      throw error
    }
  }

  /** Sets the headers that every answer about a file has; true where the answer is complete. */
  #isAnswered(request: FastifyRequest, reply: FastifyReply, stat: FileStat): boolean {
    reply.header('etag', quoted(stat))
    reply.header('last-modified', new Date(stat.mtimeMs).toUTCString())
    reply.header('accept-ranges', 'bytes')
    reply.header('x-content-type-options', 'nosniff')
    reply.type(ANY_TYPE)
    const verdict = judge(request.method, request.headers, stat)
    if (verdict === 'not modified') reply.code(304)
    if (verdict === 'precondition failed') reply.code(412)
    return verdict !== 'go on'
  }

  /** Undefined where no byte of the file was asked for. */
  async #body(
    path: string,
    stat: FileStat,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Body | undefined> {
    const { size } = stat
    const { range, 'if-range': ifRange } = request.headers
    const ranges = rangesApply(ifRange?.toString(), stat) ? parseRanges(range, size) : undefined
    const signal = signalOf(request, reply)
    if (ranges === undefined) {
      if (size === 0) return { stream: Readable.from([]), length: 0 }
      return await rangeBody(this.#files, path, { start: 0, end: size - 1 }, signal)
    }
    const [first, second] = ranges
    if (first === undefined) {
      reply.code(416).header('content-range', `bytes */${size}`)
      return undefined
    }
    reply.code(206)
    if (second !== undefined) {
      return multipartBody(this.#files, path, ranges, { size, type: ANY_TYPE, signal })
    }
    reply.header('content-range', contentRange(first, size))
    return await rangeBody(this.#files, path, first, signal)
  }

  /** A JSON array, written entry by entry. */
  async #list(path: string, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const entries = this.#files.readdir(path, { signal: signalOf(request, reply) })
    async function* json(): AsyncGenerator<string> {
      let before = '[\n'
      for await (const entry of entries) {
        const type = entry.isDirectory() ? 'directory' : entry.isFile() ? 'file' : 'other'
        const kind = entry.isSymbolicLink() ? 'symlink' : type
        yield `${before}${JSON.stringify({ name: entry.name, type: kind })}`
        before = ',\n'
      }
      yield before === '[\n' ? '[]\n' : '\n]\n'
    }
    reply.type('application/json; charset=utf-8')
    return await reply.send(Readable.from(json(), { objectMode: false }))
  }
}

export function errorBody(code: string, message: string, path?: string): object {
  return { error: { code, message, ...(path === undefined ? {} : { path }) } }
}

function missing(path: string): FsError {
  return new FsError('ENOENT', `${path} does not exist`, { path })
}

/** Aborted when the client goes away before it has its answer. */
export function signalOf(_request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (reply.raw.writableFinished) return
    controller.abort(new FsError('ECANCELED', 'the client went away'))
  })
  return controller.signal
}

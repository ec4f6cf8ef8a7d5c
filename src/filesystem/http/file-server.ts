/**
 * Exports a file system over HTTP: as a small server, and as a function from `Request` to
 * `Response` for existing servers. GET, HEAD (with ranges and conditions), PUT and DELETE work as
 * usual; all other operations are a POST to the root that names the operation, which `HttpFS` with
 * `operations` sends. With `apiKey`, the server requires the key in the header `X-API-Key`, as a
 * CacheFS node does; the function does not check it.
 *
 *     await using server = await FileServer.listen(files, { port: 8090, apiKey })
 */
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { FsError, codeOf, describe } from '../../base/fs-error.ts'
import * as rule from '../../base/options.ts'
import type { OptionRule } from '../../base/options.ts'
import { Secret } from '../../base/secret.ts'
import { childOf, normalize } from '../file-path.ts'
import type { AttributeChanges, FileSystem } from '../file-system.ts'
import type { Stats } from '../stats.ts'
import { fileBodyRefusal, framingRefusal, type Refusal } from './request-framing.ts'

interface Operation {
  operation?: unknown
  path?: unknown
  to?: unknown
  target?: unknown
  mode?: unknown
  follow?: unknown
  changes?: AttributeChanges
}

const STATUS: Record<string, number> = {
  ENOENT: 404,
  EACCES: 403,
  EPERM: 403,
  EROFS: 403,
  EINVAL: 400,
  ESTALE: 412,
  EFBIG: 413,
  ENAMETOOLONG: 414,
  EEXIST: 409,
  EISDIR: 409,
  ENOTDIR: 409,
  ENOTEMPTY: 409,
  EBUSY: 409,
  ELOOP: 409,
  ENOSPC: 507,
  EOPNOTSUPP: 501,
}

export interface FileServerOptions {
  host?: string | undefined
  port?: number | undefined
  /** Without a key, everybody who can reach the server has full access. */
  apiKey?: string | undefined
}

const RULES: { [K in keyof Required<FileServerOptions>]: OptionRule } = {
  host: rule.name('an address to listen on, such as 127.0.0.1'),
  port: {
    allowed: 'a whole number from 0 to 65535',
    isAllowed: (it) => Number.isInteger(it) && Number(it) >= 0 && Number(it) <= 65535,
  },
  // An empty key would admit everybody.
  apiKey: rule.secret(rule.name('a key that is not empty')),
}

export class FileServer implements AsyncDisposable {
  readonly #server: Server
  readonly url: string

  private constructor(server: Server, url: string) {
    this.#server = server
    this.url = url
  }

  static async listen(files: FileSystem, options: FileServerOptions = {}): Promise<FileServer> {
    rule.checkOption('FileServer', 'files', rule.fileSystem(), files)
    rule.checkOptions('FileServer', RULES, options)
    const { host = '127.0.0.1', port = 0, apiKey } = options
    const secret = apiKey === undefined ? undefined : new Secret(apiKey)
    const server = createServer((message, reply) => {
      const gone = new AbortController()
      reply.once('close', () => gone.abort())
      const answer = async (): Promise<void> => {
        const isAuthorized = secret?.matches(message.headers['x-api-key']) ?? true
        const request = isAuthorized ? requestOf(message, gone.signal) : UNAUTHORIZED
        const { status, headers, body } =
          request instanceof Request ? await answerFor(files, request) : refused(request)
        // An unread body would precede the next request on the connection.
        message.resume()
        reply.writeHead(status, Object.fromEntries(headers))
        if (body === null) reply.end()
        else await pipeline(Readable.fromWeb(body as never), reply)
      }
      // Closing the connection prevents that a truncated body passes for a complete one.
      answer().catch(() => reply.destroy())
    })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject).listen(port, host, resolve)
    await promise
    const address = server.address()
    const at = typeof address === 'object' ? address?.port : port
    return new FileServer(server, `http://${host}:${at ?? port}`)
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    await promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * Does not destroy the connection if the body is not read completely, so that a response can
 * follow.
 */
function bodyOf(message: IncomingMessage): ReadableStream {
  return ReadableStream.from(message.iterator({ destroyOnReturn: false }))
}

const UNAUTHORIZED: Refusal = {
  status: 401,
  code: 'EACCES',
  message: 'send the API key in the header X-API-Key',
}

/** The message as a `Request`, or the reason why it is rejected. */
function requestOf(message: IncomingMessage, signal: AbortSignal): Request | Refusal {
  const { method = 'GET', url = '/' } = message
  const hasBody = method === 'PUT' || method === 'POST'
  const refusal = framingRefusal(message) ?? (hasBody ? fileBodyRefusal(message) : undefined)
  if (refusal) return refusal
  try {
    return new Request(new URL(url, 'http://localhost'), {
      method,
      headers: message.headers as Record<string, string>,
      signal,
      ...(hasBody ? { body: bodyOf(message), duplex: 'half' } : {}),
    })
  } catch (error) {
    return { status: 400, code: 'EINVAL', message: describe(error) }
  }
}

function refused({ status, code, message }: Refusal): Response {
  return Response.json({ error: { code, message } }, { status })
}

/** Answers a request whose URL path is a path in the file system. */
export async function answerFor(files: FileSystem, request: Request): Promise<Response> {
  try {
    return await answer(files, request)
  } catch (error) {
    const code = codeOf(error)
    const path = error instanceof FsError ? error.path : undefined
    const body = { error: { code, message: describe(error), path } }
    const head = request.method === 'HEAD' ? null : JSON.stringify(body)
    const headers = { 'content-type': 'application/json' }
    return new Response(head, { status: STATUS[code] ?? 500, headers })
  }
}

async function answer(files: FileSystem, request: Request): Promise<Response> {
  const { signal } = request
  const path = pathOf(request)
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return await read(files, path, request)
    case 'PUT':
      return await write(files, path, request)
    case 'DELETE': {
      const stats = await files.lstat(path, { signal })
      await (stats.isDirectory() ? files.rmdir(path, { signal }) : files.unlink(path, { signal }))
      return new Response(null, { status: 204 })
    }
    case 'POST': {
      const result = await operate(files, (await request.json()) as Operation, signal)
      return Response.json({ result: result ?? null })
    }
    default:
      throw new FsError('EOPNOTSUPP', `unsupported method ${request.method}`)
  }
}

function pathOf(request: Request): string {
  try {
    const names = new URL(request.url).pathname.split('/').map((it) => decodeURIComponent(it))
    if (!names.some((name) => name.includes('/'))) return normalize(`/${names.join('/')}`)
  } catch (cause) {
    throw new FsError('EINVAL', 'the path contains escapes that are not UTF-8', { cause })
  }
  throw new FsError('EINVAL', 'the path contains an escaped slash')
}

async function read(files: FileSystem, path: string, request: Request): Promise<Response> {
  const { signal, headers: asked } = request
  const stats = await files.stat(path, { signal })
  if (stats.isDirectory()) return Response.json(await namesIn(files, path, signal))
  const tag = `"${stats.etag}"`
  const headers = new Headers({
    etag: tag,
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'last-modified': new Date(stats.mtimeMs).toUTCString(),
    'x-content-type-options': 'nosniff',
  })
  const wanted = asked.get('if-match')
  if (wanted !== null && wanted !== '*' && !wanted.includes(tag)) {
    throw new FsError('ESTALE', 'the file has another version', { path })
  }
  if (asked.get('if-none-match')?.includes(tag) === true) {
    return new Response(null, { status: 304, headers })
  }
  const range = rangeOf(asked.get('range'), stats.size)
  if (range === 'none') {
    headers.set('content-range', `bytes */${stats.size}`)
    return new Response(null, { status: 416, headers })
  }
  const { start, end } = range ?? { start: 0, end: stats.size - 1 }
  headers.set('content-length', String(end - start + 1))
  if (range !== undefined) headers.set('content-range', `bytes ${start}-${end}/${stats.size}`)
  const status = range === undefined ? 200 : 206
  if (request.method === 'HEAD' || end < start) return new Response(null, { status, headers })
  const content = files.content(path, { start, end, ifMatch: stats.etag, signal })
  return new Response(ReadableStream.from(content), {
    status,
    headers,
  })
}

/** Parses a single range, which is what nearly all clients send; several mean the whole file. */
function rangeOf(
  header: string | null,
  size: number,
): { start: number; end: number } | 'none' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (match === null || match[0] === 'bytes=-') return undefined
  const [, first = '', last = ''] = match
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start > end ? 'none' : { start, end }
}

async function write(files: FileSystem, path: string, request: Request): Promise<Response> {
  const { signal, headers, body } = request
  const [mode, mtime] = [headers.get('x-file-mode'), headers.get('x-file-mtime-ms')]
  const wanted = headers.get('if-match')
  const ifMatch = headers.has('if-none-match') ? null : wanted?.replaceAll('"', '')
  const source = (body ?? ReadableStream.from([])) as unknown as AsyncIterable<Uint8Array>
  const stats = await files.replace(path, source, {
    signal,
    ifMatch,
    mode: mode === null ? undefined : Number(mode),
    mtimeMs: mtime === null ? undefined : Number(mtime),
  })
  return new Response(null, { status: 204, headers: { etag: `"${stats.etag}"` } })
}

async function namesIn(files: FileSystem, path: string, signal: AbortSignal): Promise<object[]> {
  const names: object[] = []
  for await (const entry of files.list(path, { signal })) {
    const { name, kind } = entry
    const stats =
      entry.stats ?? (await files.lstat(childOf(path, name), { signal }).catch(() => undefined))
    if (stats !== undefined) names.push({ name, type: kind, stats: stats.fields })
  }
  return names
}

async function operate(
  files: FileSystem,
  { operation, path: given, to, target, mode, follow, changes = {} }: Operation,
  signal: AbortSignal,
): Promise<unknown> {
  const path = normalize(given)
  const call = { signal }
  const fields = (stats: Stats): object => stats.fields
  switch (operation) {
    case 'stat':
      return fields(await files.stat(path, call))
    case 'lstat':
      return fields(await files.lstat(path, call))
    case 'readdir':
      return await namesIn(files, path, signal)
    case 'mkdir':
      return await files.mkdir(path, { ...call, mode: Number(mode) })
    case 'rmdir':
      await files.rmdir(path, call)
      return null
    case 'unlink':
      await files.unlink(path, call)
      return null
    case 'rename':
      await files.rename(path, normalize(to), call)
      return null
    case 'symlink':
      await files.symlink(String(target), path, null, call)
      return null
    case 'readlink':
      return await files.readlink(path, call)
    case 'change':
      await change(files, path, changes, follow === true, call)
      return null
    default:
      throw new FsError('EOPNOTSUPP', `unsupported operation ${String(operation)}`)
  }
}

async function change(
  files: FileSystem,
  path: string,
  { mode, uid, gid, atimeMs, mtimeMs }: AttributeChanges,
  follow: boolean,
  call: { signal: AbortSignal },
): Promise<void> {
  if (mode !== undefined) await files.chmod(path, mode, call)
  if (uid !== undefined && gid !== undefined) {
    await (follow ? files.chown(path, uid, gid, call) : files.lchown(path, uid, gid, call))
  }
  if (atimeMs === undefined || mtimeMs === undefined) return
  const times = [new Date(atimeMs), new Date(mtimeMs)] as const
  await (follow ? files.utimes(path, ...times, call) : files.lutimes(path, ...times, call))
}

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
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import { FsError } from '../../base/fs-error.ts'
import * as rule from '../../base/options.ts'
import type { OptionRule } from '../../base/options.ts'
import { Secret } from '../../base/secret.ts'
import { childOf, normalize } from '../file-path.ts'
import type { AttributeChanges, FileSystem } from '../file-system.ts'
import { filesystemLimits } from '../limits.ts'
import type { Stats } from '../stats.ts'
import { ConnectionRoom } from './service/connection-room.ts'
import { jsonAnswer } from './service/file-request.ts'
import type { FileAnswer, FileRequest } from './service/file-request.ts'
import { FileService } from './service/file-service.ts'
import type { WrittenAttributes } from './service/file-writer.ts'
import { HttpError, answerTo } from './service/http-error.ts'
import { sendPieces } from './service/paced-answer.ts'
import { requestBody } from './service/request-body.ts'
import { framingRefusal } from './service/request-framing.ts'
import { filePath, namesDirectory } from './service/request-path.ts'

interface Operation {
  operation?: unknown
  path?: unknown
  to?: unknown
  target?: unknown
  mode?: unknown
  follow?: unknown
  changes?: AttributeChanges
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
    const service = new FileService(files)
    const room = new ConnectionRoom()
    const server = createServer((message, reply) => {
      const respond = async (): Promise<void> => {
        const answer = await answered(message.method, async () => {
          check(message, secret)
          await room.turn(message)
          return await answerOf(files, service, requestOf(message, reply))
        })
        // An unread body would precede the next request on the connection.
        message.resume()
        await send(reply, answer)
      }
      respond().catch(() => reply.destroy())
    })
    room.attach(server)
    // A client that neither sends nor takes anything.
    server.setTimeout(filesystemLimits.apiIdleMs)
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

function check(message: IncomingMessage, secret: Secret | undefined): void {
  if (secret?.matches(message.headers['x-api-key']) === false) {
    throw new HttpError(401, 'EACCES', 'send the API key in the header X-API-Key')
  }
  const refusal = framingRefusal(message)
  if (refusal) throw new HttpError(refusal.status, refusal.code, refusal.message)
}

function requestOf(message: IncomingMessage, reply: ServerResponse): FileRequest {
  const { method = 'GET', url = '/', headers } = message
  const gone = new AbortController()
  reply.once('close', () => gone.abort())
  return {
    ...{ method, headers, body: requestBody(message), signal: gone.signal },
    path: filePath(url, '/'),
    isDirectory: namesDirectory(url),
  }
}

/** A client that reads slowly costs one piece of memory. */
async function send(reply: ServerResponse, { status, headers, pieces }: FileAnswer): Promise<void> {
  reply.writeHead(status, headers)
  if (pieces === undefined) reply.end()
  else await sendPieces(reply, pieces)
}

/** Answers a request whose URL path is a path in the file system. */
export async function answerFor(files: FileSystem, request: Request): Promise<Response> {
  const { method, signal, body } = request
  const { status, headers, pieces } = await answered(method, async () => {
    const { pathname } = new URL(request.url)
    return await answerOf(files, new FileService(files), {
      ...{ method, headers: Object.fromEntries(request.headers), signal },
      path: filePath(pathname, '/'),
      isDirectory: namesDirectory(pathname),
      body: body ?? ReadableStream.from([]),
    })
  })
  return new Response(pieces && ReadableStream.from(bytesOf(pieces)), { status, headers })
}

async function* bytesOf(pieces: AsyncIterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece
}

/** The answer, or that to the error. */
async function answered(
  method: string | undefined,
  work: () => Promise<FileAnswer>,
): Promise<FileAnswer> {
  try {
    return await work()
  } catch (error) {
    const { status, headers, body } = answerTo(error)
    if (method === 'HEAD') return { status, headers }
    return jsonAnswer(status, body, headers)
  }
}

async function answerOf(
  files: FileSystem,
  service: FileService,
  request: FileRequest,
): Promise<FileAnswer> {
  if (request.method !== 'POST') return await service.answer(request, written(request.headers))
  const operation = await operationOf(request)
  const result = await operate(files, operation, request.signal)
  return jsonAnswer(200, { result: result ?? null })
}

function written(headers: IncomingHttpHeaders): WrittenAttributes {
  return { mode: number(headers, 'x-file-mode'), mtimeMs: number(headers, 'x-file-mtime-ms') }
}

function number(headers: IncomingHttpHeaders, name: string): number | undefined {
  const value = headers[name]
  if (value === undefined) return undefined
  if (value !== '' && Number.isFinite(Number(value))) return Number(value)
  throw new FsError('EINVAL', `${name} is a number, not '${String(value)}'`)
}

async function operationOf({ body }: FileRequest): Promise<Operation> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    const most = filesystemLimits.operationBytes
    if (bytes > most) throw new FsError('EFBIG', `an operation has at most ${most} bytes`)
    pieces.push(piece)
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(pieces).toString())
    if (typeof value === 'object' && value !== null) return value
  } catch (cause) {
    throw new FsError('EINVAL', 'the body is not JSON', { cause })
  }
  throw new FsError('EINVAL', 'the body is not a JSON object')
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

/**
 * `/api/files/{path}`: read, replace and remove files. Request and response bodies are streams;
 * only these routes depend on that.
 *
 * `{path}/size` is the size of the file at {path}, unless that very path exists. The two cannot
 * collide: a file has nothing below it, so `{path}/size` exists only if {path} is a directory,
 * which has no such size.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { codeOf } from '../../base/fs-error.ts'
import { jsonAnswer } from '../../filesystem/http/service/file-request.ts'
import type {
  FileAnswer,
  FileRequest,
  ServedFiles,
} from '../../filesystem/http/service/file-request.ts'
import { FileService } from '../../filesystem/http/service/file-service.ts'
import { requestBody } from '../../filesystem/http/service/request-body.ts'
import { filePath, namesDirectory } from '../../filesystem/http/service/request-path.ts'
import { clientSignal } from '../server/client-signal.ts'
import { streamed } from '../server/streamed-answer.ts'

const PREFIX = '/api/files/'
const URL = `${PREFIX}*`
const SIZE_SUFFIX = '/size'

export interface FileRoutesOptions {
  files: ServedFiles
  maxUploadBytes: number
}

/** Registered in its own Fastify scope: here bodies are passed on unparsed, whatever their type. */
export function fileRoutes(app: FastifyInstance, options: FileRoutesOptions): void {
  const service = new FileService(options.files, options)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => {
    done(null)
  })
  app.addHook('onRequest', async ({ raw }) => {
    // Every body is bytes; Fastify would refuse types that it cannot parse.
    if (raw.method === 'PUT') raw.headers['content-type'] = 'application/octet-stream'
  })
  const about = (summary: string): { schema: object } => ({ schema: { summary, tags: ['files'] } })
  const file = 'The file, or the entries of the directory; ranges and conditions as in HTTP'
  const read = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> =>
    await send(reply, await fileOrSize(service, requestOf(request, reply)))
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> =>
    await send(reply, await service.answer(requestOf(request, reply)))
  app.get(URL, about(file), read)
  app.head(URL, about('What GET would say, without the content'), read)
  app.put(URL, about('Replaces the file, whole or not at all'), answer)
  app.delete(URL, about('Removes the file or empty directory'), answer)
  const method = ['POST', 'PATCH', 'OPTIONS']
  app.route({ method, url: URL, schema: { hide: true }, handler: answer })
}

function requestOf({ raw, method, headers }: FastifyRequest, reply: FastifyReply): FileRequest {
  const target = raw.url ?? ''
  return {
    ...{ method, headers, body: requestBody(raw), signal: clientSignal(reply) },
    path: filePath(target, PREFIX),
    isDirectory: namesDirectory(target),
    onAccept: () => {
      if (headers.expect !== undefined) reply.raw.writeContinue()
    },
  }
}

async function fileOrSize(service: FileService, request: FileRequest): Promise<FileAnswer> {
  const { path, signal } = request
  try {
    return await service.answer(request)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || !path.endsWith(SIZE_SUFFIX)) throw error
    const of = path.slice(0, -SIZE_SUFFIX.length) || '/'
    const { size } = await service.file(of, signal)
    return jsonAnswer(200, { path: of, size })
  }
}

async function send(reply: FastifyReply, answer: FileAnswer): Promise<FastifyReply> {
  const { status, headers, pieces } = answer
  reply.code(status).headers(headers)
  if (pieces !== undefined && reply.request.method !== 'HEAD') return await streamed(reply, pieces)
  return await reply.send()
}

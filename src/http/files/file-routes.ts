/**
 * `/api/files/{path}`: read, replace and remove files. Request and response bodies are streams;
 * only these routes depend on that.
 */
import type { FastifyInstance } from 'fastify'
import type { FileStore } from '../../filesystem/file-store.ts'
import { FileReader } from './file-reader.ts'
import { FileWriter } from './file-writer.ts'
import { HttpError } from '../server/http-error.ts'

const PREFIX = '/api/files/'
const URL = `${PREFIX}*`

export interface FileRoutesOptions {
  files: FileStore
  maxUploadBytes: number
}

/** Registered in its own Fastify scope: here bodies are passed on unparsed, whatever their type. */
export function fileRoutes(app: FastifyInstance, options: FileRoutesOptions): void {
  const reader = new FileReader(options.files, PREFIX)
  const writer = new FileWriter({ ...options, prefix: PREFIX })
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
  app.get(URL, about(file), (...it) => reader.answer(...it))
  app.head(URL, about('What GET would say, without the content'), (...it) => reader.answer(...it))
  app.put(URL, about('Replaces the file, whole or not at all'), (...it) => writer.put(...it))
  app.delete(URL, about('Removes the file or empty directory'), (...it) => writer.remove(...it))
  app.route({
    method: ['POST', 'PATCH', 'OPTIONS'],
    url: URL,
    schema: { hide: true },
    handler: async ({ method }) => {
      const headers = { allow: 'GET, HEAD, PUT, DELETE' }
      throw new HttpError(405, 'EOPNOTSUPP', `files know no ${method}`, { headers })
    },
  })
}

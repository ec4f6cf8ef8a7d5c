/**
 * The HTTP API of one node: fastify, the key, errors as JSON, the routes. It only translates: the
 * work is the file system's and the node's.
 */
import swagger from '@fastify/swagger'
import fastify, { type FastifyError, type FastifyInstance } from 'fastify'
import { FsError, codeOf, describe } from '../base/fs-error.ts'
import type { Logger } from '../base/logger.ts'
import type { FileSystem } from '../filesystem/file-system.ts'
import { limits } from '../limits.ts'
import { ApiKey } from './api-key.ts'
import { errorBody, fileRoutes } from './file-routes.ts'
import { HTTP_STATUS } from './http-status.ts'
import { nodeMetrics } from './node-metrics.ts'
import { nodeRoutes } from './node-routes.ts'
import type { NodeStatus } from './node-status.ts'

/** Answered without a key: probes have none. */
const OPEN_PATH = '/api/health'

export interface NodeApiOptions {
  files: FileSystem
  node: NodeStatus
  apiKey: string | undefined
  maxUploadBytes: number
  version: string
  logger: Logger
}

export class NodeApi {
  readonly #app: FastifyInstance
  readonly url: string

  private constructor(app: FastifyInstance, url: string) {
    this.#app = app
    this.url = url
  }

  /** Listens; port 0: any that is free. EBUSY: the port is in use. */
  static async listen(
    options: NodeApiOptions,
    address: { host: string; port: number },
  ): Promise<NodeApi> {
    const app = await createNodeApi(options)
    try {
      return new NodeApi(app, await app.listen(address))
    } catch (cause) {
      await app.close()
      const inUse = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
      const where = `${address.host}:${address.port}`
      const message = inUse
        ? `port ${address.port} is in use: stop what uses it, or choose another -port`
        : `the API cannot listen on ${where}: ${describe(cause)}`
      throw new FsError(inUse ? 'EBUSY' : 'EIO', message, { cause })
    }
  }

  /** Takes no new requests and ends those under way. */
  async close(): Promise<void> {
    const grace = setTimeout(() => {
      this.#app.server.closeAllConnections()
    }, limits.apiCloseMs)
    await this.#app.close()
    clearTimeout(grace)
  }
}

async function createNodeApi(options: NodeApiOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: limits.apiJsonBytes,
    requestTimeout: 0,
    keepAliveTimeout: limits.apiKeepAliveMs,
    http: { maxHeaderSize: limits.apiHeaderBytes, headersTimeout: limits.apiHeadersMs },
    routerOptions: { maxParamLength: limits.apiHeaderBytes },
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { status, code, message, path } = answerTo(error)
    if (status >= 500) options.logger.warn(`${request.method} ${request.url}: ${describe(error)}`)
    return reply
      .code(status)
      .type('application/json')
      .send(errorBody(code, message, path))
  })
  app.setNotFoundHandler((request, reply) => {
    const message = `there is no ${request.method} ${request.url.split('?', 1)[0] ?? ''}`
    return reply.code(404).send(errorBody('ENOENT', message))
  })
  requireKey(app, options.apiKey)
  await app.register(swagger, {
    openapi: { info: { title: 'CacheFS node', version: options.version } },
  })
  await addRoutes(app, options)
  return app
}

async function addRoutes(app: FastifyInstance, options: NodeApiOptions): Promise<void> {
  const metrics = nodeMetrics(options.node)
  await app.register((scope, _options, done) => {
    fileRoutes(scope, options)
    done()
  })
  await app.register((scope, _options, done) => {
    nodeRoutes(scope, options.node)
    scope.get(
      '/metrics',
      { schema: { summary: 'For Prometheus', tags: ['node'] } },
      async (_, reply) => {
        return await reply.type(metrics.contentType).send(await metrics.metrics())
      },
    )
    scope.get('/api/openapi.json', { schema: { hide: true } }, () => app.swagger())
    done()
  })
}

function requireKey(app: FastifyInstance, apiKey: string | undefined): void {
  if (apiKey === undefined || apiKey === '') return
  const key = new ApiKey(apiKey)
  app.addHook('onRequest', async (request, reply) => {
    if (request.url.split('?', 1)[0] === OPEN_PATH) return
    if (key.matches(request.headers['x-api-key'])) return
    reply.header('connection', 'close')
    await reply.code(401).send(errorBody('EACCES', 'send the API key in the header X-API-Key'))
  })
}

interface Answer {
  status: number
  code: string
  message: string
  path: string | undefined
}

function answerTo(error: FastifyError | FsError): Answer {
  if (error instanceof FsError) {
    const { code, message, path } = error
    return { status: HTTP_STATUS[code], code, message, path }
  }
  const status = error.statusCode ?? 500
  if (status < 500) return { status, code: 'EINVAL', message: error.message, path: undefined }
  const code = codeOf(error)
  return { status: HTTP_STATUS[code], code, message: describe(error), path: undefined }
}

/**
 * The HTTP API of one node: its routes on an HTTP server, and their description. It only
 * translates: the work is the file system's and the node's.
 */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import { FsError, describe } from '../base/fs-error.ts'
import type { Logger } from '../base/logger.ts'
import type { FileSystem } from '../filesystem/file-system.ts'
import { limits } from '../limits.ts'
import { fileRoutes } from './file-routes.ts'
import { createHttpServer } from './http-server.ts'
import { nodeMetrics } from './node-metrics.ts'
import { nodeRoutes } from './node-routes.ts'
import type { NodeStatus } from './node-status.ts'
import { describeApi } from './open-api.ts'
import { countRequests } from './request-metrics.ts'

/** Answered without a key: probes have none. */
const OPEN_PATHS = ['/api/health']

export interface NodeApiOptions {
  files: FileSystem
  node: NodeStatus
  apiKey: string | undefined
  maxUploadBytes: number
  version: string
  logger: Logger
  /** What `/metrics` serves; what others registered in it comes along. */
  registry?: Registry | undefined
}

export class NodeApi {
  readonly #app: FastifyInstance
  readonly #stopping: AbortController
  readonly url: string

  private constructor(app: FastifyInstance, stopping: AbortController, url: string) {
    this.#app = app
    this.#stopping = stopping
    this.url = url
  }

  /** Listens; port 0: any that is free. EBUSY: the port is in use. */
  static async listen(
    options: NodeApiOptions,
    address: { host: string; port: number },
  ): Promise<NodeApi> {
    const stopping = new AbortController()
    const app = await createNodeApi(options, stopping.signal)
    try {
      return new NodeApi(app, stopping, await app.listen(address))
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

  /**
   * Takes no new requests; long-running calls are told to end, files under way have a while to
   * arrive.
   */
  async close(): Promise<void> {
    this.#stopping.abort()
    const { server } = this.#app
    const grace = setTimeout(() => server.closeAllConnections(), limits.apiCloseMs)
    // Connections that are kept alive are idle once their last answer has arrived, not before.
    const idle = setInterval(() => server.closeIdleConnections(), limits.apiClosePollMs)
    await this.#app.close()
    clearTimeout(grace)
    clearInterval(idle)
  }
}

async function createNodeApi(
  options: NodeApiOptions,
  stopping: AbortSignal,
): Promise<FastifyInstance> {
  const registry = options.registry ?? new Registry()
  const app = createHttpServer({ ...options, openPaths: OPEN_PATHS })
  app.setNotFoundHandler(({ method, url }) => {
    throw new FsError('ENOENT', `there is no ${method} ${url.split('?', 1)[0] ?? ''}`)
  })
  countRequests(app, registry)
  nodeMetrics(options.node, registry)
  await app.register(swagger, describeApi('CacheFS node', options.version))
  await app.register((scope, _options, done) => {
    fileRoutes(scope, options)
    done()
  })
  await app.register((scope, _options, done) => {
    nodeRoutes(scope, options.node, stopping)
    const metrics = { schema: { summary: 'For Prometheus', tags: ['node'] } }
    scope.get('/metrics', metrics, async (_request, reply) => {
      return await reply.type(registry.contentType).send(await registry.metrics())
    })
    scope.get('/api/openapi.json', { schema: { hide: true } }, () => app.swagger())
    done()
  })
  return app
}

/**
 * A listening API server: the parts that all programs share around their own routes. These are
 * errors and their bounds (http-server.ts), counters of requests, `/metrics`, `/api/openapi.json`,
 * connections that another protocol takes over (upgrades.ts), and a shutdown that no client can
 * delay beyond a bound.
 */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import { FsError, describe } from '../../base/fs-error.ts'
import { httpLimits } from '../limits.ts'
import { METRICS_PATH } from './api-key.ts'
import { HEALTH_PATHS } from './health-routes.ts'
import { createHttpServer } from './http-server.ts'
import type { HttpServerOptions } from './http-server.ts'
import type { Door } from './door.ts'
import { describeApi } from './open-api.ts'
import { countRequests } from './request-metrics.ts'
import { Upgrades } from './upgrades.ts'
import type { UpgradeHandler } from './upgrades.ts'

export interface ApiServerOptions extends Omit<HttpServerOptions, 'openPaths' | 'upgrades'> {
  /** Title of the API description, and the tag of `/metrics` in it. */
  program: 'node' | 'coordinator'
  version: string
  /** Registry that `/metrics` serves, with all metrics that others registered in it. */
  registry?: Registry | undefined
  metrics: (registry: Registry) => void
  /** Each element is registered in its own scope, since routes differ in the bodies they accept. */
  routes: readonly Routes[]
}

/** `stopping` is aborted when the server closes; long responses end then. */
export type Routes = (scope: FastifyInstance, stopping: AbortSignal) => void

export interface Address {
  host: string
  /** 0: any free port. */
  port: number
}

export class ApiServer {
  readonly #app: FastifyInstance
  readonly #stopping: AbortController
  readonly #upgrades: Upgrades
  readonly url: string

  private constructor(parts: Parts, url: string) {
    this.#app = parts.app
    this.#stopping = parts.stopping
    this.#upgrades = parts.upgrades
    this.url = url
  }

  /** EBUSY: the port is in use. */
  static async listen(options: ApiServerOptions, address: Address): Promise<ApiServer> {
    const parts = await build(options)
    try {
      return new ApiServer(parts, await parts.app.listen(address))
    } catch (cause) {
      await parts.app.close()
      const inUse = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
      const where = `${address.host}:${address.port}`
      const message = inUse
        ? `port ${address.port} is in use: stop what uses it, or choose another -port`
        : `the API cannot listen on ${where}: ${describe(cause)}`
      throw new FsError(inUse ? 'EBUSY' : 'EIO', message, { cause })
    }
  }

  /**
   * Passes connections that request another protocol on this path to the handler, after the checks
   * listed in upgrades.ts. One handler per path.
   */
  onUpgrade(path: string, handler: UpgradeHandler, door?: Door): void {
    this.#upgrades.add(path, handler, door)
  }

  /**
   * Stops accepting requests and aborts long-running calls. Transfers in progress, and connections
   * that another protocol took over, have `apiCloseMs` to end; then they are destroyed.
   */
  async close(): Promise<void> {
    this.#stopping.abort()
    this.#upgrades.stop()
    const { server } = this.#app
    const grace = setTimeout(() => {
      server.closeAllConnections()
      this.#upgrades.destroyAll()
    }, httpLimits.apiCloseMs)
    // A keep-alive connection becomes idle only when its last response has been sent.
    const idle = setInterval(() => server.closeIdleConnections(), httpLimits.apiClosePollMs)
    await this.#app.close()
    clearTimeout(grace)
    clearInterval(idle)
  }
}

interface Parts {
  app: FastifyInstance
  stopping: AbortController
  upgrades: Upgrades
}

async function build(options: ApiServerOptions): Promise<Parts> {
  const { program, version } = options
  const stopping = new AbortController()
  const registry = options.registry ?? new Registry()
  const upgrades = new Upgrades()
  const app = createHttpServer({ ...options, openPaths: HEALTH_PATHS, upgrades })
  app.setNotFoundHandler(({ method, url }) => {
    throw new FsError('ENOENT', `there is no ${method} ${url.split('?', 1)[0] ?? ''}`)
  })
  countRequests(app, registry)
  options.metrics(registry)
  await app.register(swagger, describeApi(`CacheFS ${program}`, version))
  const common: Routes = (scope) => {
    const schema = { summary: 'For Prometheus', tags: [program] }
    scope.get(METRICS_PATH, { schema }, async (_request, reply) => {
      return await reply.type(registry.contentType).send(await registry.metrics())
    })
    scope.get('/api/openapi.json', { schema: { hide: true } }, () => app.swagger())
  }
  for (const routes of [...options.routes, common]) {
    await app.register((scope, _options, done) => {
      routes(scope, stopping.signal)
      done()
    })
  }
  return { app, stopping, upgrades }
}

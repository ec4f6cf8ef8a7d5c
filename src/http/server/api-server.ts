/**
 * An API, listening: what every program's has in common around its own routes. Errors and their
 * bounds (http-server.ts), counters of requests, `/metrics`, `/api/openapi.json`, connections that
 * are taken over by another protocol (upgrades.ts), and an end that nobody can hold up.
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
import type { Door } from '../coordinator/link-gate.ts'
import { describeApi } from './open-api.ts'
import { countRequests } from './request-metrics.ts'
import { Upgrades } from './upgrades.ts'
import type { UpgradeHandler } from './upgrades.ts'

export interface ApiServerOptions extends Omit<HttpServerOptions, 'openPaths' | 'upgrades'> {
  /** Of the description, and with it the tag that `/metrics` goes under. */
  program: 'node' | 'coordinator'
  version: string
  /** What `/metrics` serves; what others registered in it comes along. */
  registry?: Registry | undefined
  metrics: (registry: Registry) => void
  /** Each is registered in a scope of its own, since routes differ in the bodies they take. */
  routes: readonly Routes[]
}

/** `stopping` is aborted when the server closes: long answers end then. */
export type Routes = (scope: FastifyInstance, stopping: AbortSignal) => void

export interface Address {
  host: string
  /** 0: any that is free. */
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
   * Connections that ask for another protocol on this path go to the handler; see upgrades.ts for
   * what was checked before. One handler a path.
   */
  onUpgrade(path: string, handler: UpgradeHandler, door?: Door): void {
    this.#upgrades.add(path, handler, door)
  }

  /**
   * Takes no new requests; long-running calls are told to end, files under way have a while to
   * arrive, and connections that were taken over as long to be ended by who has them.
   */
  async close(): Promise<void> {
    this.#stopping.abort()
    this.#upgrades.stop()
    const { server } = this.#app
    const grace = setTimeout(() => {
      server.closeAllConnections()
      this.#upgrades.destroyAll()
    }, httpLimits.apiCloseMs)
    // Connections that are kept alive are idle once their last answer has arrived, not before.
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

/** Prometheus metrics of requests: counts by method, route and status, and durations. */
import type { FastifyInstance } from 'fastify'
import { Counter, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'

/** Seconds: from a cached response to a large file from the cloud. */
const BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60]

export function countRequests(app: FastifyInstance, registry: Registry): void {
  const requests = new Counter({
    name: 'cachefs_http_requests_total',
    help: 'Requests answered',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  })
  const seconds = new Histogram({
    name: 'cachefs_http_request_seconds',
    help: 'From the request to the end of its answer',
    labelNames: ['method', 'route'],
    buckets: BUCKETS,
    registers: [registry],
  })
  app.addHook('onResponse', async (request, reply) => {
    const { method } = request
    // Routes, not paths: the number of label values is bounded.
    const route = request.routeOptions.url ?? 'none'
    requests.inc({ method, route, status: String(reply.statusCode) })
    seconds.observe({ method, route }, reply.elapsedTime / 1000)
  })
}

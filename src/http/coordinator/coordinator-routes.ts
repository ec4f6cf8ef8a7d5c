/** Routes for the health and the statistics of a coordinator and its cluster. */
import type { FastifyInstance } from 'fastify'
import { clusterTotals, hitRatio } from './cluster-totals.ts'
import type { CoordinatorStatus } from './coordinator-status.ts'
import { healthRoutes } from '../server/health-routes.ts'

export function coordinatorRoutes(app: FastifyInstance, coordinator: CoordinatorStatus): void {
  const tags = ['coordinator']
  const startedMs = performance.now()
  healthRoutes(app, 'coordinator', () => coordinator.problems())
  const summary = 'All nodes together: space, hits and misses, what is not in the cloud yet'
  app.get('/api/stats', { schema: { summary, tags } }, async () => {
    const totals = clusterTotals(coordinator.peers.list())
    const uptimeSeconds = Math.round((performance.now() - startedMs) / 1000)
    return { uptimeSeconds, ...totals, hitRatio: hitRatio(totals), ...(await coordinator.stats()) }
  })
}

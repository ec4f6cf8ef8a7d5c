/**
 * The HTTP API of the coordinator: its routes on an API server. The links of nodes are WebSockets
 * that take over connections of this server (`onUpgrade`).
 */
import type { Registry } from 'prom-client'
import type { Logger } from '../../base/log/logger.ts'
import { ApiServer } from '../server/api-server.ts'
import type { Address, Routes } from '../server/api-server.ts'
import { coordinatorMetrics } from './coordinator-metrics.ts'
import { coordinatorRoutes } from './coordinator-routes.ts'
import type { CoordinatorStatus } from './coordinator-status.ts'
import { locationRoutes } from './location-routes.ts'
import { memberRoutes, peerRoutes } from './peer-routes.ts'

export interface CoordinatorApiOptions {
  coordinator: CoordinatorStatus
  apiKey: string
  metricsToken?: string | undefined
  version: string
  logger: Logger
  /** Registry that `/metrics` serves, with all metrics that others registered in it. */
  registry?: Registry | undefined
  /** Additional routes. */
  routes?: readonly Routes[]
}

export async function serveCoordinatorApi(
  options: CoordinatorApiOptions,
  address: Address,
): Promise<ApiServer> {
  const { coordinator } = options
  return await ApiServer.listen(
    {
      ...options,
      program: 'coordinator',
      maxUploadBytes: 0,
      metrics: (registry) => coordinatorMetrics(coordinator, registry),
      routes: [
        (app) => coordinatorRoutes(app, coordinator),
        (app) => peerRoutes(app, coordinator.peers),
        (app) => memberRoutes(app, coordinator.members),
        (app) => locationRoutes(app, coordinator),
        ...(options.routes ?? []),
      ],
    },
    address,
  )
}

/**
 * The HTTP API of one node: its routes on an API server. This module contains no logic: the file
 * system and the node do the work.
 */
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { Logger } from '../../base/log/logger.ts'
import type { ChunkExchange } from '../../cache/replicas/chunk-exchange.ts'
import type { ServedFiles } from '../../filesystem/http/service/file-request.ts'
import type { TokenCheck } from '../../tiers/peers/node-token.ts'
import { ApiServer } from '../server/api-server.ts'
import type { Address } from '../server/api-server.ts'
import { chunkRoutes } from './chunk-routes.ts'
import { fileRoutes } from './file-routes.ts'
import { nodeDoor } from '../server/door.ts'
import { nodeMetrics } from './node-metrics.ts'
import { nodeRoutes } from './node-routes.ts'
import type { NodeStatus } from './node-status.ts'

export interface NodeApiOptions {
  files: ServedFiles
  node: NodeStatus
  apiKey: string
  metricsToken?: string | undefined
  maxUploadBytes: number
  /** Chunk exchange with peers; undefined: the node has no peers. */
  chunks?: ChunkExchange | undefined
  /** Checks the tokens of peers; undefined: peers are served nothing. */
  peerTokens?: TokenCheck | undefined
  version: string
  logger: Logger
  /** Registry that `/metrics` serves, with all metrics that others registered in it. */
  registry?: Registry | undefined
}

export async function serveNodeApi(options: NodeApiOptions, address: Address): Promise<ApiServer> {
  const { node, chunks, peerTokens } = options
  return await ApiServer.listen(
    {
      ...options,
      program: 'node',
      metrics: (registry) => nodeMetrics(node, registry),
      routes: [
        (app) => fileRoutes(app, options),
        ...(chunks && peerTokens
          ? [(app: FastifyInstance) => chunkRoutes(app, chunks, nodeDoor(peerTokens))]
          : []),
        (app, stopping) => nodeRoutes(app, node, stopping),
      ],
    },
    address,
  )
}

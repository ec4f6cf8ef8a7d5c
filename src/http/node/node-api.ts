/**
 * The HTTP API of one node: its routes on an API server. It only translates: the work is the file
 * system's and the node's.
 */
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { Logger } from '../../base/log/logger.ts'
import type { ChunkExchange } from '../../cache/replicas/chunk-exchange.ts'
import type { FileStore } from '../../filesystem/file-store.ts'
import type { TokenCheck } from '../../tiers/peers/node-token.ts'
import { ApiServer } from '../server/api-server.ts'
import type { Address } from '../server/api-server.ts'
import { chunkRoutes } from './chunk-routes.ts'
import { fileRoutes } from '../files/file-routes.ts'
import { nodeDoor } from '../coordinator/link-gate.ts'
import { nodeMetrics } from './node-metrics.ts'
import { nodeRoutes } from './node-routes.ts'
import type { NodeStatus } from './node-status.ts'

export interface NodeApiOptions {
  files: FileStore
  node: NodeStatus
  apiKey: string
  metricsToken?: string | undefined
  maxUploadBytes: number
  /** What this node does for its peers; undefined: it has none. */
  chunks?: ChunkExchange | undefined
  /** Knows the tokens of peers; without it they are served nothing. */
  peerTokens?: TokenCheck | undefined
  version: string
  logger: Logger
  /** What `/metrics` serves; what others registered in it comes along. */
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

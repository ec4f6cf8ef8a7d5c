/**
 * One coordinator in this process: takes its data directory, opens what it kept, then listens; and
 * takes it down in the reverse. A start that fails half-way leaves nothing running.
 */
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { WebSocketServer } from 'ws'
import type { Logger } from '../base/logger.ts'
import { CoordinatorDatabase } from '../coordinator/coordinator-database.ts'
import { FileHolders } from '../coordinator/file-holders.ts'
import { Coordinator } from '../coordinator/coordinator.ts'
import { LINK_PATH, SNAPSHOT_PATH } from '../coordinator/link-protocol.ts'
import { MetadataStore } from '../coordinator/metadata-store.ts'
import { metadataRoutes } from '../http/metadata-routes.ts'
import { limits } from '../limits.ts'
import { PeerKeeper } from '../coordinator/peer-keeper.ts'
import type { ApiServer } from '../http/api-server.ts'
import { serveCoordinatorApi } from '../http/coordinator-api.ts'
import { DirectoryLock } from '../volume/directory-lock.ts'
import { packageVersion } from './command-line.ts'
import type { CoordinatorOptions } from './coordinator-options.ts'
import { coordinatorProblems } from './coordinator-problems.ts'
import type { RunningProgram } from './foreground.ts'

export interface RunningCoordinator extends RunningProgram {
  readonly apiUrl: string
}

const DATA = { name: 'data directory', flag: '-data' }

export async function startCoordinator(
  options: CoordinatorOptions,
  { logger }: { logger: Logger },
): Promise<RunningCoordinator> {
  await using parts = new AsyncDisposableStack()
  const lock = DirectoryLock.take(options.dataDir, DATA)
  parts.defer(() => lock.release())
  const database = CoordinatorDatabase.open(options.dataDir)
  parts.defer(() => database.close())
  const keeper = new PeerKeeper(database, logger)
  parts.defer(() => keeper.stop())
  const store = MetadataStore.open(join(options.dataDir, 'volume.db'))
  parts.defer(() => store.close())
  const coordinator = new Coordinator({ store, registry: keeper.registry, logger })
  parts.defer(() => coordinator.close())
  const checkpoints = setInterval(() => store.checkpoint(), limits.coordinatorCheckpointMs)
  parts.defer(() => clearInterval(checkpoints))
  const api = await serve(options, { keeper, store, coordinator }, logger)
  parts.defer(async () => {
    const closed = api.close()
    // Otherwise the server waits for links that nobody ends.
    coordinator.close()
    await closed
  })
  warnOfStrangers(options, logger)
  const running = parts.move()
  let stopping: Promise<void> | undefined
  return {
    apiUrl: api.url,
    stop: () => (stopping ??= running.disposeAsync()),
    failed: Promise.withResolvers<never>().promise,
  }
}

async function serve(
  { host, port, apiKey, dataDir }: CoordinatorOptions,
  { keeper, store, coordinator }: Parts,
  logger: Logger,
): Promise<ApiServer> {
  const locations = new FileHolders(store)
  keeper.registry.onChange(({ kind, peer }) => {
    if (kind === 'left') locations.forgetPeer(peer.id)
  })
  const status = {
    peers: keeper.registry,
    locations,
    problems: () => coordinatorProblems(keeper, store),
    stats: () => ({ version: packageVersion(), ...store.totals(), changes: store.seq }),
  }
  const version = packageVersion()
  const snapshots = { path: join(dataDir, 'snapshot'), make: (path: string) => store.copyTo(path) }
  const routes = [(app: FastifyInstance) => metadataRoutes(app, SNAPSHOT_PATH, snapshots)]
  const parts = { coordinator: status, apiKey, version, logger, routes }
  const api = await serveCoordinatorApi(parts, { host, port })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: limits.linkMessageBytes })
  api.onUpgrade(LINK_PATH, (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (link) => coordinator.attach(link))
  })
  return api
}

interface Parts {
  keeper: PeerKeeper
  store: MetadataStore
  coordinator: Coordinator
}

function warnOfStrangers({ host, apiKey }: CoordinatorOptions, logger: Logger): void {
  const isLocal = ['localhost', '::1'].includes(host) || host.startsWith('127.')
  if (isLocal || (apiKey ?? '') !== '') return
  logger.warn(`whoever reaches ${host} can read and change every name: set -api-key`)
}

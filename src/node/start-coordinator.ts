/**
 * One coordinator in this process: locks its data directory, opens its databases, then listens;
 * stops in reverse order.
 *
 * Invariant: a start that fails leaves nothing running.
 */
import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { WebSocketServer } from 'ws'
import { TimeSlices } from '../base/async/time-slices.ts'
import { FsError, describe } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import { CoordinatorDatabase } from '../coordinator/coordinator-database.ts'
import { FileHolders } from '../coordinator/peers/file-holders.ts'
import { Candidate } from '../coordinator/candidate.ts'
import { Snapshots } from '../coordinator/snapshots.ts'
import { LINK_PATH, SNAPSHOT_PATH } from '../coordinator/link/link-protocol.ts'
import { ApiKey } from '../http/server/api-key.ts'
import { LinkGate } from '../http/coordinator/link-gate.ts'
import { metadataRoutes } from '../http/coordinator/metadata-routes.ts'
import { coordinatorLimits } from '../coordinator/limits.ts'
import { nodeLimits } from './limits.ts'
import type { MetadataSource } from '../metadata/store-engine.ts'
import { PostgresSource } from '../metadata/postgres/postgres-source.ts'
import { SqliteSource } from '../metadata/sqlite/sqlite-source.ts'
import { PeerMaintenance } from '../coordinator/peers/peer-maintenance.ts'
import type { ApiServer } from '../http/server/api-server.ts'
import { serveCoordinatorApi } from '../http/coordinator/coordinator-api.ts'
import type { Members } from '../http/coordinator/coordinator-status.ts'
import type { UpgradeHandler } from '../http/server/upgrades.ts'
import { ClusterClock } from '../tiers/peers/cluster-clock.ts'
import { TO_COORDINATOR, TokenCheck } from '../tiers/peers/node-token.ts'
import { DirectoryLock } from '../volume/folder/directory-lock.ts'
import { findSecrets, keepSecrets, type ApiSecrets } from './api-secrets.ts'
import { packageVersion } from '../base/package-version.ts'
import type { CoordinatorOptions } from '../options/coordinator-options.ts'
import { coordinatorProblems } from './coordinator-problems.ts'
import type { RunningProgram } from '../daemon/foreground.ts'
import { joinTokenSource } from './join-token.ts'
import { keptId } from './kept-id.ts'
import { recordRunning } from '../machine/running-record.ts'

export interface RunningCoordinator extends RunningProgram {
  readonly apiUrl: string
}

export const DATA = { name: 'data directory', flag: '-data' }

export async function startCoordinator(
  options: CoordinatorOptions,
  { logger }: { logger: Logger },
): Promise<RunningCoordinator> {
  await using parts = new AsyncDisposableStack()
  const lock = DirectoryLock.take(options.dataDir, DATA)
  parts.defer(() => lock.release())
  const secrets = findSecrets(options.dataDir, options)
  keepSecrets(options.dataDir, secrets, options)
  const database = CoordinatorDatabase.open(options.dataDir)
  parts.defer(() => database.close())
  const maintenance = new PeerMaintenance(database, logger)
  parts.defer(() => maintenance.stop())
  const address = { url: '' }
  if (options.postgres === undefined) {
    requireNames(namesPath(options.dataDir), database)
    database.checkLog(namesPath(options.dataDir))
  }
  const source = await openSource(options, () => address.url, logger)
  const candidate = new Candidate({ source, registry: maintenance.registry, logger })
  maintenance.registry.hasJoined = (id) => candidate.nodes?.get(id) !== undefined
  parts.defer(() => candidate.close())
  const checkpoints = checkpointing(candidate, logger)
  parts.defer(() => clearInterval(checkpoints))
  const api = await serve({ ...options, ...secrets }, { maintenance, candidate, source }, logger)
  address.url = advertised(options, api.url)
  parts.defer(async () => {
    const closed = api.close()
    // Otherwise the server would wait for the links, which do not end by themselves.
    candidate.cutLinks()
    await closed
  })
  const { apiKey } = secrets
  const facts = { kind: 'coordinator', folder: options.dataDir, apiUrl: api.url, apiKey } as const
  parts.use(await recordRunning(facts, logger))
  await candidate.start()
  if (options.postgres === undefined) database.noteNames(namesPath(options.dataDir))
  const running = parts.move()
  let stopping: Promise<void> | undefined
  return {
    apiUrl: api.url,
    stop: () => (stopping ??= running.disposeAsync()),
    failed: Promise.withResolvers<never>().promise,
  }
}

/** A failure shows in health, and leaves the coordinator as it is. */
function checkpointing(candidate: Candidate, logger: Logger): NodeJS.Timeout {
  const failures = new RepeatedLog(logger)
  return setInterval(() => {
    try {
      candidate.checkpoint()
    } catch (error) {
      failures.error('checkpoint', describe(error))
    }
  }, nodeLimits.coordinatorCheckpointMs)
}

function namesPath(dataDir: string): string {
  return join(dataDir, 'volume.db')
}

/** ENOENT if the names were here before: a new, empty volume must not take their place. */
function requireNames(path: string, database: CoordinatorDatabase): void {
  if (!database.hadNames || (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) return
  throw new FsError(
    'ENOENT',
    `${path}, which had the names of the volume, is gone or empty: restore it from a backup, or ` +
      'put a copy of the volume.db of a node there. A new volume needs another -data directory',
    { path },
  )
}

export async function openSource(
  { dataDir, postgres }: CoordinatorOptions,
  url: () => string,
  logger: Logger,
): Promise<MetadataSource> {
  if (postgres === undefined) return new SqliteSource(namesPath(dataDir))
  const holder = keptId(join(dataDir, 'coordinator-id'), randomUUID)
  return await PostgresSource.open({ address: postgres, holder, url, logger })
}

/** URL at which other machines reach this coordinator. */
function advertised({ host }: CoordinatorOptions, apiUrl: string): string {
  if (host !== '0.0.0.0' && host !== '::') return apiUrl
  return `http://${process.env['POD_IP'] ?? hostname()}:${new URL(apiUrl).port}`
}

async function serve(
  { host, port, apiKey, joinToken, metricsToken, dataDir }: CoordinatorOptions & ApiSecrets,
  { maintenance, candidate, source }: Parts,
  logger: Logger,
): Promise<ApiServer> {
  const locations = new FileHolders(() => candidate.store)
  maintenance.registry.onChange(({ kind, peer }) => {
    if (kind === 'left') locations.forgetPeer(peer.id)
  })
  const version = packageVersion()
  const status = {
    peers: maintenance.registry,
    members: membersOf(candidate),
    locations,
    problems: () => coordinatorProblems(maintenance, candidate, source),
    stats: async () => {
      const { store } = candidate
      return { version, ...(await store.totals()), changes: store.seq }
    },
  }
  const make = (path: string): Promise<void> => candidate.store.copyTo(path)
  const seq = (): number => candidate.store.seq
  const snapshots = new Snapshots({ path: join(dataDir, 'snapshot'), make, seq })
  const gate = new LinkGate({
    apiKey: new ApiKey(apiKey),
    joinToken: joinTokenSource(dataDir, joinToken, logger),
    keyJoins: joinToken === undefined,
    tokens: new TokenCheck({
      self: TO_COORDINATOR,
      clock: new ClusterClock(),
      keyOf: (id) => candidate.nodes?.keyOf(id),
    }),
    leads: () => candidate.isReady,
  })
  const routes = [
    (app: FastifyInstance) => metadataRoutes(app, SNAPSHOT_PATH, snapshots, gate.checkNode),
  ]
  const parts = { coordinator: status, apiKey, metricsToken, version, logger, routes }
  const api = await serveCoordinatorApi(parts, { host, port })
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: coordinatorLimits.linkMessageBytes,
  })
  const slices = new TimeSlices(coordinatorLimits.linkSliceMs)
  const admit: UpgradeHandler = (request, socket, head) => {
    if (!candidate.isReady) {
      // The node tries the next address.
      socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n')
      return
    }
    const { coordinator } = candidate
    const mayJoin = gate.mayJoin(request.headers)
    const upgrade = slices.run(() => {
      sockets.handleUpgrade(request, socket, head, (link) => coordinator.attach(link, mayJoin))
    })
    void upgrade?.catch(() => socket.destroy())
  }
  api.onUpgrade(LINK_PATH, admit, gate.checkLink)
  return api
}

function membersOf(candidate: Candidate): Members {
  return {
    list: () =>
      candidate.coordinator.members.map((node) => {
        return { ...node, revoked: node.revoked === '' ? null : node.revoked }
      }),
    revoke: async (id) => {
      await candidate.coordinator.revoke(id)
    },
    remove: async (id) => {
      await candidate.coordinator.remove(id)
    },
  }
}

interface Parts {
  maintenance: PeerMaintenance
  candidate: Candidate
  source: MetadataSource
}

/**
 * Routes for the status and the actions of a node. Responses of long-running actions are lines of
 * JSON (http/server/progress-lines.ts). They end when the client disconnects and when the node
 * stops.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FsError } from '../../base/fs-error.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import { httpLimits } from '../limits.ts'
import { clientSignal } from '../server/client-signal.ts'
import { checkPath, filePath } from '../../filesystem/http/service/request-path.ts'
import { healthRoutes } from '../server/health-routes.ts'
import type { CallOptions, EvictOptions, NodeStatus, ProgressLine } from './node-status.ts'
import { progressLines } from '../server/progress-lines.ts'
import { streamed } from '../server/streamed-answer.ts'

const PATHS_BODY = {
  type: 'object',
  required: ['paths'],
  additionalProperties: false,
  properties: {
    paths: {
      type: 'array',
      minItems: 1,
      maxItems: httpLimits.pathsPerRequest,
      items: { type: 'string', pattern: '^/' },
    },
  },
} as const

const EVICT_BODY = {
  ...PATHS_BODY,
  properties: {
    ...PATHS_BODY.properties,
    force: { type: 'boolean', description: 'even if the cloud cannot be reached' },
  },
} as const

const DURABILITY_BODY = {
  type: 'object',
  required: ['durability'],
  additionalProperties: false,
  properties: {
    durability: { type: 'string', nullable: true, description: 'local, peers=N, cloud; or null' },
  },
} as const

export function nodeRoutes(app: FastifyInstance, node: NodeStatus, stopping: AbortSignal): void {
  // JSON only: a browser sends that across origins only after a preflight request.
  app.removeContentTypeParser('text/plain')
  const about = (summary: string): { schema: object } => ({ schema: { summary, tags: ['node'] } })
  healthRoutes(app, 'node', () => node.problems())
  app.get('/api/status', about('What the node holds, does and owes the cloud'), () => node.status())
  app.get('/api/peers', about('The nodes of the cluster; none with an embedded coordinator'), () =>
    node.peers(),
  )
  app.get('/api/cache', about('Capacity and use of the NVMe'), () => node.cache())
  app.get('/api/cache/stats', about('Counters since the start'), () => node.cacheStats())
  app.get('/api/receipt/*', about('Where the bytes of a file are'), (request) =>
    node.receipt(filePath(request.raw.url ?? '', '/api/receipt/')),
  )
  app.get('/api/explain/*', about('Chunk by chunk, where a file is'), (request) =>
    node.explain(filePath(request.raw.url ?? '', '/api/explain/')),
  )
  durabilityRoutes(app, node)
  app.get('/api/missing', about('Files with bytes that only nodes have that are away'), () =>
    node.missing(),
  )
  app.post('/api/restore/*', about('A missing file as the cloud last had it whole'), (request) =>
    node.restore(filePath(request.raw.url ?? '', '/api/restore/')),
  )
  app.post('/api/upgrade', about('Goes on with the program installed now'), async (_, reply) => {
    const start = await node.upgrade()
    reply.raw.once('finish', start)
    return await reply.code(202).send({ pid: node.status()['daemonPid'] })
  })
  actionRoutes(app, node, stopping)
}

interface ActionBody {
  paths: string[]
  force?: boolean
}

type Action = (body: ActionBody, options: CallOptions) => AsyncIterable<ProgressLine>

function actionRoutes(app: FastifyInstance, node: NodeStatus, stopping: AbortSignal): void {
  const evict: Action = ({ paths, force = false }, options) => {
    return node.evict(paths, { ...options, force } satisfies EvictOptions)
  }
  const actions: [name: string, summary: string, body: object, action: Action][] = [
    ['wait', 'Until all is in the cloud', PATHS_BODY, (it, how) => node.wait(it.paths, how)],
    ['warm', 'Brings files to this node', PATHS_BODY, (it, how) => node.warm(it.paths, how)],
    ['evict', 'Takes durable files off this node', EVICT_BODY, evict],
  ]
  const places = new Semaphore(httpLimits.apiLongCalls)
  for (const [name, summary, body, action] of actions) {
    const schema = { summary, tags: ['node'], body }
    app.post(`/api/${name}`, { schema }, (request, reply) =>
      progress({ action, places, stopping }, request, reply),
    )
  }
}

function durabilityRoutes(app: FastifyInstance, node: NodeStatus): void {
  const pathOf = ({ raw }: FastifyRequest): string => filePath(raw.url ?? '', '/api/durability/')
  const get = { summary: 'Where bytes are when close returns, by directory', tags: ['node'] }
  app.get('/api/durability/*', { schema: get }, (request) => node.durability(pathOf(request)))
  const put = { ...get, summary: 'Where bytes are from now on', body: DURABILITY_BODY }
  app.put('/api/durability/*', { schema: put }, (request) => {
    const { durability } = request.body as { durability: string | null }
    return node.setDurability(pathOf(request), durability)
  })
}

interface LongCall {
  action: Action
  places: Semaphore
  stopping: AbortSignal
}

async function progress(
  { action, places, stopping }: LongCall,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const body = request.body as ActionBody
  const asked = { ...body, paths: body.paths.map(checkPath) }
  const place = places.tryAcquire()
  if (place === undefined) {
    throw new FsError(
      'EAGAIN',
      `${httpLimits.apiLongCalls} such calls are under way: try again later`,
    )
  }
  reply.raw.once('close', () => place.release())
  const lines = progressLines(action(asked, { signal: clientSignal(reply, stopping) }))
  return await streamed(reply.type('application/x-ndjson; charset=utf-8'), lines)
}

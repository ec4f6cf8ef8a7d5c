/**
 * What a node tells of itself and does on request. Long answers are lines of JSON (NDJSON), written
 * as the work gets on; a failure after the first line is a last line with `error`.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { codeOf, describe } from '../base/fs-error.ts'
import { limits } from '../limits.ts'
import { filePath } from './file-path.ts'
import { errorBody, signalOf } from './file-routes.ts'
import type { CallOptions, NodeStatus, ProgressLine } from './node-status.ts'

const PATHS_BODY = {
  type: 'object',
  required: ['paths'],
  additionalProperties: false,
  properties: {
    paths: {
      type: 'array',
      minItems: 1,
      maxItems: limits.pathsPerRequest,
      items: { type: 'string', pattern: '^/', maxLength: limits.pathBytes },
    },
  },
} as const

type Action = (paths: readonly string[], options?: CallOptions) => AsyncIterable<ProgressLine>

export function nodeRoutes(app: FastifyInstance, node: NodeStatus): void {
  const about = (summary: string): { schema: object } => ({ schema: { summary, tags: ['node'] } })
  app.get('/api/health', about('Whether the node works'), () => node.health())
  app.get('/api/status', about('What the node holds, does and owes the cloud'), () => node.status())
  app.get('/api/peers', about('Other nodes that are known'), () => node.peers())
  app.get('/api/cache', about('Capacity and use of the NVMe'), () => node.cache())
  app.get('/api/cache/stats', about('Counters since the start'), () => node.cacheStats())
  app.get('/api/receipt/*', about('Where the bytes of a file are'), (request) =>
    node.receipt(filePath(request.raw.url ?? '', '/api/receipt/')),
  )
  app.get('/api/explain/*', about('Chunk by chunk, where a file is'), (request) =>
    node.explain(filePath(request.raw.url ?? '', '/api/explain/')),
  )
  const actions: Record<'wait' | 'warm' | 'evict', [string, Action]> = {
    wait: ['Until all is in the cloud', (paths, options) => node.wait(paths, options)],
    warm: ['Brings files to this node', (paths, options) => node.warm(paths, options)],
    evict: ['Takes durable files off this node', (paths, options) => node.evict(paths, options)],
  }
  for (const [name, [summary, action]] of Object.entries(actions)) {
    const schema = { summary, tags: ['node'], body: PATHS_BODY }
    app.post(`/api/${name}`, { schema }, (request, reply) => progress(action, request, reply))
  }
}

/** The first line decides the status: a path that is not there is a plain error. */
async function progress(
  action: Action,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { paths } = request.body as { paths: string[] }
  const lines = action(paths, { signal: signalOf(request, reply) })[Symbol.asyncIterator]()
  const first = await lines.next()
  async function* ndjson(): AsyncGenerator<string> {
    try {
      for (let line = first; line.done !== true; line = await lines.next()) {
        yield `${JSON.stringify(line.value)}\n`
      }
    } catch (error) {
      yield `${JSON.stringify(errorBody(codeOf(error), describe(error)))}\n`
    }
  }
  reply.type('application/x-ndjson; charset=utf-8')
  return await reply.send(Readable.from(ndjson(), { objectMode: false }))
}

/**
 * `/api/peers`: nodes register, report their state, and list each other. Reports may have fields
 * that this version does not define, because nodes and coordinator are upgraded at different times.
 */
import type { FastifyInstance } from 'fastify'
import { tiersLimits } from '../../tiers/limits.ts'
import type { PeerRegistration, PeerReport } from '../../tiers/peers/peer-status.ts'
import type { Members, PeerList } from './coordinator-status.ts'

const TEXT = { type: 'string', maxLength: tiersLimits.peerUrlBytes } as const
const AMOUNT = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const

const REGISTRATION = {
  type: 'object',
  required: ['id', 'url', 'capacityBytes'],
  properties: { id: TEXT, url: TEXT, capacityBytes: AMOUNT, version: TEXT },
} as const

const REPORT = {
  type: 'object',
  required: ['id'],
  properties: {
    id: TEXT,
    health: { type: 'string', enum: ['ok', 'degraded'] },
    usedBytes: AMOUNT,
    capacityBytes: AMOUNT,
    hits: AMOUNT,
    misses: AMOUNT,
    peerHits: AMOUNT,
    peerBytes: AMOUNT,
    cloudReads: AMOUNT,
    cloudBytes: AMOUNT,
    backlogBytes: AMOUNT,
    backlogAgeMs: AMOUNT,
  },
} as const

const LIST_QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    any: { type: 'string', pattern: '^[0-9]{1,6}$', description: 'so many, in random order' },
    except: { ...TEXT, description: 'with `any`: not this one' },
  },
} as const

const ID_PARAMS = { type: 'object', properties: { id: TEXT } } as const

/** Lists the nodes that have joined with a key, and revokes or removes one. */
export function memberRoutes(app: FastifyInstance, members: Members): void {
  const about = (summary: string, parts: object = {}): { schema: object } => ({
    schema: { summary, tags: ['peers'], ...parts },
  })
  const params = { params: ID_PARAMS }
  app.get('/api/peers/members', about('The nodes that have joined, by id'), () => members.list())
  const revoking = about('Ends the link of a node, and lets nobody be that node', params)
  app.post('/api/peers/:id/revoke', revoking, async (request, reply) => {
    await members.revoke((request.params as { id: string }).id)
    return await reply.code(204).send()
  })
  const removing = about('Lets another node join under the id of one that is gone', params)
  app.delete('/api/peers/:id', removing, async (request, reply) => {
    await members.remove((request.params as { id: string }).id)
    return await reply.code(204).send()
  })
}

export function peerRoutes(app: FastifyInstance, peers: PeerList): void {
  // JSON only: a browser sends that across origins only after a preflight request.
  app.removeContentTypeParser('text/plain')
  const about = (summary: string, parts: object): { schema: object } => ({
    schema: { summary, tags: ['peers'], ...parts },
  })
  const registering = about('A node comes, or comes again', { body: REGISTRATION })
  app.post('/api/peers/register', registering, ({ body }) => {
    const { version = '', ...registration } = body as Omit<PeerRegistration, 'version'> & {
      version?: string
    }
    const { peerStaleMs, peerReportMs } = tiersLimits
    const peer = peers.register({ ...registration, version })
    return { peer, reportEveryMs: peerReportMs, staleAfterMs: peerStaleMs }
  })
  const reporting = about('How a node is doing; what it leaves out is as before', { body: REPORT })
  app.put('/api/peers/status', reporting, ({ body }) => {
    const { id, ...report } = body as Partial<PeerReport> & { id: string }
    return peers.status(id, report)
  })
  const listing = about('The nodes that are there, by id', { querystring: LIST_QUERY })
  app.get('/api/peers', listing, ({ query }) => {
    const { any, except } = query as { any?: string; except?: string }
    return any === undefined ? peers.list() : peers.any(Number(any), except)
  })
}

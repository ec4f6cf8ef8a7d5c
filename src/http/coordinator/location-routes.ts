/**
 * `/api/files/location`: reports which nodes have chunks of a file, and accepts announcements of
 * nodes that have some. `path` or `ino` names the file, in the query or (PUT) in the body.
 */
import type { FastifyInstance } from 'fastify'
import { FsError } from '../../base/fs-error.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'
import { tiersLimits } from '../../tiers/limits.ts'
import type { FileReference } from '../../tiers/peers/file-locations.ts'
import type { CoordinatorStatus } from './coordinator-status.ts'
import { checkPath } from '../../filesystem/http/service/request-path.ts'
import { HttpError } from '../../filesystem/http/service/http-error.ts'

const URL = '/api/files/location'
const PATH = { type: 'string', minLength: 1, maxLength: filesystemLimits.pathBytes } as const
const INO = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER } as const

const QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: { path: PATH, ino: { type: 'string', pattern: '^[1-9][0-9]{0,15}$' } },
} as const

const BODY = {
  type: 'object',
  required: ['peerId'],
  additionalProperties: false,
  properties: {
    path: PATH,
    ino: INO,
    peerId: { type: 'string', maxLength: tiersLimits.peerUrlBytes },
    present: { type: 'boolean', description: 'false: it has none of the file any more' },
  },
} as const

interface Named {
  path?: string
  ino?: number | string
}

interface Announcement extends Named {
  peerId: string
  present?: boolean
}

export function locationRoutes(app: FastifyInstance, coordinator: CoordinatorStatus): void {
  const { peers, locations } = coordinator
  // JSON only: a browser sends that across origins only after a preflight request.
  app.removeContentTypeParser('text/plain')
  const tags = ['files']
  const finding = { summary: 'The nodes that have chunks of a file', tags, querystring: QUERY }
  app.get(URL, { schema: finding }, async ({ query }) => {
    const file = fileOf(query as Named)
    const { peers: ids, ...known } = await locations.find(file)
    const wanted = new Set(ids)
    // In random order, which spreads the load over the nodes.
    const there = peers.any(tiersLimits.peers).filter(({ id }) => wanted.has(id))
    const places = there.map(({ id, url, state }) => ({ id, url, state }))
    return { ...file, ...known, peers: places }
  })
  const announcing = {
    summary: 'A node has chunks of a file',
    tags,
    querystring: QUERY,
    body: BODY,
  }
  app.put(URL, { schema: announcing }, async ({ query, body }) => {
    const { peerId, present = true, ...named } = body as Announcement
    const file = fileOf(query as Named, named)
    if (peers.get(peerId) === undefined) {
      throw new FsError('ENOENT', `no node ${peerId} is registered here: register it first`)
    }
    await locations.announce(file, peerId, present)
    return { ...file, peerId, present }
  })
}

function fileOf(...places: Named[]): FileReference {
  const given = places.flatMap(({ path, ino }): FileReference[] => [
    ...(path === undefined ? [] : [{ path: checkPath(path) }]),
    ...(ino === undefined ? [] : [{ ino: Number(ino) }]),
  ])
  const [file] = given
  if (file === undefined || given.length > 1) {
    throw new HttpError(400, 'EINVAL', 'name one file: ?path=/a/b or ?ino=12')
  }
  return file
}

/**
 * `/api/chunks/{ino}/{index}/{id}`: exchange of chunks between nodes. GET returns one immutable
 * chunk. PUT stores a replica on this node. Both carry the CRC-32 of the body in `X-Chunk-CRC32`.
 * POST announces that the chunk will be requested, so that this node can fetch it in advance.
 *
 * Invariants: only nodes with a valid token (tiers/peers/node-token.ts) are admitted, and the API
 * key does not replace the token; all parameters are checked to be numbers before any lookup;
 * bodies in memory are bounded (transfer-room.ts); a refused request changes nothing.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FsError } from '../../base/fs-error.ts'
import type { ChunkExchange } from '../../cache/replicas/chunk-exchange.ts'
import { httpLimits } from '../limits.ts'
import type { ChunkAddress } from '../../tiers/peers/chunk-address.ts'
import { CRC_HEADER, parseCrc } from '../../tiers/peers/chunk-headers.ts'
import { clientSignal } from '../server/client-signal.ts'
import { HttpError } from '../../filesystem/http/service/http-error.ts'
import { requestBody } from '../../filesystem/http/service/request-body.ts'
import type { Door } from '../server/door.ts'
import { streamed } from '../server/streamed-answer.ts'
import { TransferRoom, type Transfer } from './transfer-room.ts'

const URL = '/api/chunks/:ino/:index/:id'
const NUMBER = { type: 'string', pattern: '^[0-9]{1,16}$' } as const
const PARAMS = {
  type: 'object',
  properties: {
    ino: { ...NUMBER, description: 'Inode of the file' },
    index: { ...NUMBER, description: 'Place of the chunk in the file, from 0' },
    id: { ...NUMBER, description: 'Chunk id: names one immutable content' },
  },
} as const
const GET_SCHEMA = {
  summary: 'The bytes of a chunk that this node has, with their CRC-32 in X-Chunk-CRC32',
  tags: ['peers'],
  params: PARAMS,
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      home: {
        type: 'string',
        enum: ['0', '1'],
        description: '1: from the cloud if it is not here',
      },
    },
  },
} as const
const PUT_SCHEMA = {
  summary: 'Leaves a copy of a chunk here, until the cloud has it',
  tags: ['peers'],
  params: PARAMS,
  headers: {
    type: 'object',
    properties: {
      [CRC_HEADER]: { type: 'string', description: 'CRC-32 of the body, decimal' },
      'content-length': { type: 'string', description: 'Bytes; at most the chunk size' },
    },
  },
} as const

const POST_SCHEMA = {
  summary: 'Gets a chunk from the cloud for readers to come, where there is room; answers at once',
  tags: ['peers'],
  params: PARAMS,
} as const

/** Registered in its own Fastify scope: here a body is raw bytes, whatever its content type. */
export function chunkRoutes(app: FastifyInstance, exchange: ChunkExchange, door: Door): void {
  const config = { door }
  const outgoing = new TransferRoom(httpLimits.peerServeBytes)
  const incoming = new TransferRoom(httpLimits.peerHoldBytes)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => {
    done(null)
  })
  app.addHook('onRequest', async ({ raw }) => {
    if (raw.method === 'PUT') raw.headers['content-type'] = 'application/octet-stream'
  })
  app.get(URL, { schema: GET_SCHEMA, config }, (request, reply) =>
    give(exchange, outgoing, request, reply),
  )
  app.post(URL, { schema: POST_SCHEMA, config }, async (request, reply) => {
    exchange.prepare(addressOf(request))
    return await reply.code(202).send()
  })
  app.put(URL, { schema: PUT_SCHEMA, config }, (request, reply) =>
    hold(exchange, incoming, request, reply),
  )
}

async function give(
  exchange: ChunkExchange,
  room: TransferRoom,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const chunk = addressOf(request)
  const signal = clientSignal(reply)
  const home = (request.query as { home?: string }).home === '1'
  const close = (): void => void reply.raw.destroy()
  using transfer = await room.enter(exchange.chunkSize, { signal, close })
  const found = await exchange.read(chunk, { home, signal })
  if (found === undefined) {
    const { ino, index, id } = chunk
    throw new FsError('ENOENT', `this node does not have chunk ${id} at ${index} of inode ${ino}`)
  }
  const { data, crc } = found
  reply.header(CRC_HEADER, String(crc)).header('content-length', data.length)
  return await streamed(reply.type('application/octet-stream'), piecesOf(data, transfer))
}

/** The next piece is requested when the kernel has accepted the one before. */
async function* piecesOf(data: Buffer, transfer: Transfer): AsyncGenerator<Uint8Array> {
  transfer.start()
  for (let at = 0; at < data.length; at += httpLimits.peerPieceBytes) {
    transfer.reached(at)
    yield data.subarray(at, at + httpLimits.peerPieceBytes)
  }
}

async function hold(
  exchange: ChunkExchange,
  room: TransferRoom,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const chunk = addressOf(request)
  const signal = clientSignal(reply)
  const crc = parseCrc(request.headers[CRC_HEADER])
  if (crc === undefined) {
    throw new FsError('EINVAL', `send the CRC-32 of the body, decimal, in ${CRC_HEADER}`)
  }
  const length = lengthOf(request, exchange.chunkSize)
  const close = (): void => void request.raw.destroy()
  using transfer = await room.enter(length, { signal, close })
  if (request.headers.expect !== undefined) reply.raw.writeContinue()
  await exchange.hold(chunk, await bodyOf(request, length, transfer), crc)
  return await reply.code(204).send()
}

function addressOf({ params }: FastifyRequest): ChunkAddress {
  const { ino, index, id } = params as { ino: string; index: string; id: string }
  const chunk = { ino: Number(ino), index: Number(index), id: Number(id) }
  const isNumber = Object.values(chunk).every((it) => Number.isSafeInteger(it))
  if (isNumber && chunk.ino > 0 && chunk.id > 0) return chunk
  throw new FsError('EINVAL', `there is no chunk ${id} at ${index} of inode ${ino}`)
}

function lengthOf({ headers }: FastifyRequest, chunkSize: number): number {
  const text = headers['content-length']
  if (text === undefined) throw new HttpError(411, 'EINVAL', 'send the Content-Length of the chunk')
  const length = Number(text)
  if (length > chunkSize) throw new FsError('EFBIG', `a chunk has at most ${chunkSize} bytes`)
  if (length > 0) return length
  throw new FsError('EINVAL', 'a chunk has at least one byte')
}

async function bodyOf(
  { raw }: FastifyRequest,
  length: number,
  transfer: Transfer,
): Promise<Buffer> {
  const data = Buffer.allocUnsafeSlow(length)
  let at = 0
  transfer.start()
  for await (const piece of requestBody(raw)) {
    // `at` cannot exceed `length`: HTTP ends the body at its Content-Length.
    data.set(piece, at)
    at += piece.length
    transfer.reached(at)
  }
  transfer.end()
  return data
}

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { DamagedCopy } from './chunk-headers.ts'
import { PeerClient } from './peer-client.ts'

const CHUNK = { ino: 7, index: 2, id: 99 }
const DATA = Buffer.from('the bytes of a chunk')
let connections = 0
let requests: IncomingMessage[] = []
let answer: (response: ServerResponse, request: IncomingMessage) => void
let client: PeerClient
let peer: { id: string; url: string }

const server = createServer((request, response) => {
  requests.push(request)
  request.resume().on('end', () => answer(response, request))
})
server.on('connection', () => {
  connections += 1
})

before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  peer = { id: 'p', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
})
after(() => server.close())
beforeEach(() => {
  client = new PeerClient({ for: (to) => `a token for ${to}` })
  connections = 0
  requests = []
  answer = (response) => send(response, DATA)
})
afterEach(() => {
  client.close()
  server.closeAllConnections()
})

function send(response: ServerResponse, data: Buffer, headers: Record<string, string> = {}): void {
  response.setHeader('x-chunk-crc32', String(crc32(data)))
  response.setHeader('content-length', data.length)
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.end(data)
}

const get = (signal?: AbortSignal): Promise<Buffer> =>
  client.get(peer, CHUNK, { length: DATA.length, signal })

test('chunks are read over one kept-alive connection with a token', async () => {
  for (let at = 0; at < 3; at++) assert.ok((await get()).equals(DATA))
  await client.get(peer, CHUNK, { length: DATA.length, home: true })
  assert.equal(connections, 1)
  assert.equal(requests[0]!.headers['x-node-token'], 'a token for p')
  assert.deepEqual(
    [requests[0]!.url, requests[3]!.url],
    ['/api/chunks/7/2/99', '/api/chunks/7/2/99?home=1'],
  )
})

test('a replica is sent with its length and CRC-32', async () => {
  answer = (response) => response.writeHead(204).end()
  await client.put(peer, CHUNK, DATA, { crc: crc32(DATA) })
  const { method, headers } = requests[0]!
  assert.deepEqual(
    [method, headers['content-length'], headers['x-chunk-crc32']],
    ['PUT', String(DATA.length), String(crc32(DATA))],
  )
})

test('a connection that the peer closed while idle is replaced by a new one', async () => {
  await get()
  answer = (_response, { socket }) => {
    // Like a peer that closes the connection while the request is on its way.
    answer = (again) => send(again, DATA)
    socket.resetAndDestroy()
  }
  assert.ok((await get()).equals(DATA))
  assert.equal(connections, 2)
})

test('a response with a wrong length or CRC-32 is rejected', async () => {
  const wrong: [string, (response: ServerResponse) => void][] = [
    ['another CRC', (response) => send(response, DATA, { 'x-chunk-crc32': '1' })],
    ['no number as CRC', (response) => send(response, DATA, { 'x-chunk-crc32': '-1' })],
    ['too large a CRC', (response) => send(response, DATA, { 'x-chunk-crc32': '4294967296' })],
    ['shorter', (response) => send(response, DATA.subarray(1))],
    ['longer', (response) => send(response, Buffer.concat([DATA, DATA]))],
    ['no length', (response) => response.writeHead(200, { 'x-chunk-crc32': '1' }).end(DATA)],
  ]
  for (const [name, how] of wrong) {
    answer = (response) => how(response)
    await assert.rejects(get(), DamagedCopy, name)
  }
  answer = (response) => send(response, DATA)
  const another = { length: DATA.length, crc: 1 }
  await assert.rejects(client.get(peer, CHUNK, another), DamagedCopy)
})

test('HTTP statuses map to error codes', async () => {
  for (const [status, code] of Object.entries({
    401: 'EACCES',
    403: 'EACCES',
    404: 'ENOENT',
    302: 'EIO',
    500: 'EIO',
    503: 'EIO',
    507: 'ENOSPC',
  })) {
    answer = (response) => response.writeHead(Number(status), { location: '/other' }).end('why')
    await assert.rejects(get(), { code }, status)
  }
  assert.ok(connections <= 2, 'error responses do not cost connections')
})

test('a truncated response, a refused connection and an abort are errors', async () => {
  answer = (response) => {
    response.writeHead(200, { 'content-length': DATA.length, 'x-chunk-crc32': crc32(DATA) })
    response.write(DATA.subarray(1), () => response.destroy())
  }
  await assert.rejects(get(), { code: 'EIO' })
  const nobody = { id: 'nobody', url: 'http://127.0.0.1:1' }
  const refused = client.get(nobody, CHUNK, { length: 1 })
  await assert.rejects(refused, /EIO: GET .* from peer nobody at http.*ECONNREFUSED/)
  const controller = new AbortController()
  answer = () => controller.abort()
  await assert.rejects(get(controller.signal), { code: 'ECANCELED' })
  await assert.rejects(client.get({ id: 'x', url: 'no url' }, CHUNK, { length: 1 }), {
    code: 'EIO',
  })
})

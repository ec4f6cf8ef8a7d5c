/** Upgraded connections: who is admitted, who is not, and how they end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import type { ClientOptions } from 'ws'
import { loggerOf } from '../../src/base/log/logger.ts'
import { ApiServer } from '../../src/http/server/api-server.ts'
import { rawRequest } from '../fixtures/raw-request.ts'

const KEY = 'the api key'
const PATH = '/api/link'

function serve(): Promise<ApiServer> {
  return ApiServer.listen(
    {
      program: 'coordinator',
      version: '0.0.0',
      apiKey: KEY,
      maxUploadBytes: 0,
      logger: loggerOf('API'),
      metrics: () => undefined,
      routes: [(app) => app.get('/api/health', () => ({ status: 'ok' }))],
    },
    { host: '127.0.0.1', port: 0 },
  )
}

describe('a path with a handler', () => {
  let api: ApiServer
  let taken = 0
  const sockets = new WebSocketServer({ noServer: true })
  before(async () => {
    api = await serve()
    api.onUpgrade(PATH, (request, socket, head) => {
      taken++
      sockets.handleUpgrade(request, socket, head, (client) => {
        client.on('message', (data) => client.send(data))
      })
    })
  })
  after(async () => {
    for (const client of sockets.clients) client.terminate()
    await api.close()
  })

  const open = (path: string, options: ClientOptions): WebSocket =>
    new WebSocket(api.url.replace('http', 'ws') + path, options)
  const refusal = async (path: string, options: ClientOptions): Promise<number | undefined> => {
    const socket = open(path, options)
    const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    answer.resume()
    // ws reports that it was closed before it was open.
    socket.on('error', () => undefined)
    socket.terminate()
    return answer.statusCode
  }

  test('the correct key is admitted, and messages pass both ways', async () => {
    const socket = open(`${PATH}?node=a`, { headers: { 'x-api-key': KEY } })
    await once(socket, 'open')
    socket.send('hello')
    const [data] = (await once(socket, 'message')) as [Buffer]
    assert.equal(data.toString(), 'hello')
    socket.close()
    await once(socket, 'close')
  })

  test('a wrong or missing key is 401 and does not reach the handler', async () => {
    const before = taken
    for (const key of ['', 'x', `${KEY}x`]) {
      assert.equal(await refusal(PATH, { headers: { 'x-api-key': key } }), 401, key)
    }
    assert.equal(await refusal(PATH, {}), 401)
    assert.equal(taken, before)
  })

  test('a web page is rejected, even with the key', async () => {
    const headers = { 'x-api-key': KEY }
    assert.equal(await refusal(PATH, { headers, origin: 'http://elsewhere.example' }), 403)
  })

  test('other requests are served normally', async () => {
    assert.equal(await refusal('/api/other', { headers: { 'x-api-key': KEY } }), 404)
    assert.equal(await refusal('/api/other', {}), 401)
    const curl = 'GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\n'
    const { port } = new URL(api.url)
    const answer = await rawRequest(Number(port), `${curl}Upgrade: h2c\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 200 OK/)
  })

  test('a client that disconnects during the upgrade harms no other', async () => {
    const socket = open(PATH, { headers: { 'x-api-key': KEY } })
    await once(socket, 'open')
    socket.terminate()
    const again = open(PATH, { headers: { 'x-api-key': KEY } })
    await once(again, 'open')
    again.terminate()
  })
})

test('a stopping server accepts no upgrades and closes open connections', async () => {
  const api = await serve()
  api.onUpgrade(PATH, (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
  })
  const { port } = new URL(api.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${KEY}\r\nConnection: Upgrade\r\n`)
  socket.write('Upgrade: websocket\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1\.1 101 Switching Protocols/)
  // The client never ends the connection.
  const ended = once(socket, 'close')
  await api.close()
  await ended
  assert.throws(() => api.onUpgrade(PATH, () => undefined), /has a handler already/)
})

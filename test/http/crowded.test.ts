/** More connections than an API serves: requests are answered, whatever other clients do. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { FileServer } from '../../src/filesystem/http/file-server.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { limits } from '../../src/limits.ts'
import { startNodeApi, type NodeApiFixture } from '../fixtures/node-api-fixture.ts'

const KEY = 'the api key'
const MORE = 40

describe('too many connections', () => {
  let api: NodeApiFixture
  before(async () => {
    api = await startNodeApi({ apiKey: KEY, maxUploadBytes: 1000 })
    await writeFile(join(api.directory, 'file'), 'content')
  })
  after(() => api[Symbol.asyncDispose]())

  async function open(count: number, bytes = ''): Promise<Socket[]> {
    const sockets: Socket[] = []
    for (let at = 0; at < count; at++) {
      const socket = connect(api.port, '127.0.0.1').on('error', () => undefined)
      await once(socket, 'connect')
      if (bytes !== '') socket.write(bytes)
      sockets.push(socket)
    }
    return sockets
  }

  /** Uses a new connection. */
  async function statusOf(path: string): Promise<number> {
    const headers = { 'x-api-key': KEY, connection: 'close' }
    return (await fetch(`http://127.0.0.1:${api.port}${path}`, { headers })).status
  }

  test('idle connections are closed to make room, the oldest first', async () => {
    const sockets = await open(limits.apiConnections)
    const closed = sockets.slice(0, MORE).map((socket) => once(socket, 'close'))
    const further = await open(MORE)
    await Promise.all(closed)
    assert.equal(await statusOf('/api/health'), 200)
    assert.equal(await statusOf('/api/files/file'), 200)
    const newest = further.at(-1)
    newest?.write('GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.match(String(await once(newest!, 'data')), /^HTTP\/1\.1 200/)
    for (const socket of [...sockets, ...further]) socket.destroy()
  })

  test('while all connections are busy, health and other nodes are served', async () => {
    const head = 'PUT /api/files/new HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n'
    const going = 'Expect: 100-continue\r\n'
    const bytes = `${head}${going}X-API-Key: ${KEY}\r\n\r\n`
    const sockets = await open(limits.apiConnections, bytes)
    await Promise.all(sockets.map((socket) => once(socket, 'data')))
    assert.equal(await statusOf('/api/health'), 200)
    assert.notEqual(await statusOf('/api/chunks/1/0/1'), 503)
    const statuses = await Promise.all([1, 2].map(() => statusOf('/api/files/file')))
    assert.deepEqual(statuses, [503, 503])
    for (const socket of sockets) socket.destroy()
    while ((await statusOf('/api/files/file')) === 503);
    assert.equal(await statusOf('/api/files/file'), 200)
  })
})

test('idle connections do not lock clients out of a FileServer', async () => {
  const files = new MemoryFS()
  await files.writeFile('/file', 'content')
  await using server = await FileServer.listen(files)
  const port = Number(new URL(server.url).port)
  const sockets: Socket[] = []
  for (let at = 0; at < limits.apiConnections; at++) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    await once(socket, 'connect')
    sockets.push(socket)
  }
  const oldest = once(sockets[0]!, 'close')
  assert.equal(await (await fetch(`${server.url}/file`)).text(), 'content')
  await oldest
  for (const socket of sockets) socket.destroy()
})

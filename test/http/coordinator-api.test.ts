/** The HTTP API of the coordinator on a real registry, with a clock that the test controls. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { checkDocumented } from '../fixtures/documented-metrics.ts'
import { loggerOf } from '../../src/base/log/logger.ts'
import { AnnouncedLocations } from '../../src/coordinator/peers/announced-locations.ts'
import { CoordinatorDatabase } from '../../src/coordinator/coordinator-database.ts'
import { PeerRegistry } from '../../src/coordinator/peers/peer-registry.ts'
import type { ApiServer } from '../../src/http/server/api-server.ts'
import { serveCoordinatorApi } from '../../src/http/coordinator/coordinator-api.ts'
import { limits } from '../../src/limits.ts'
import type { PeerStatus } from '../../src/tiers/peers/peer-status.ts'

const KEY = 'the api key'
const PORT = 8081

interface Answer {
  status: number
  body: Record<string, unknown> & { error?: { code: string; message: string } }
}

describe('the coordinator’s API', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cachefs-coordinator-'))
  const database = CoordinatorDatabase.open(directory)
  let nowMs = 0
  const peers = new PeerRegistry({ store: database.peers, nowMs: () => nowMs })
  const locations = new AnnouncedLocations({
    resolve: async (path) => (path === '/as/inode-7' ? 7 : path.length * 1000),
  })
  const members = {
    list: () => [],
    revoke: async () => undefined,
    remove: async () => undefined,
  }
  let api: ApiServer
  before(async () => {
    api = await serveCoordinatorApi(
      {
        coordinator: {
          peers,
          locations,
          members,
          problems: async () => [],
          stats: async () => ({ sessions: 3 }),
        },
        apiKey: KEY,
        version: '0.0.0',
        logger: loggerOf('COORDINATOR'),
      },
      { host: '127.0.0.1', port: 0 },
    )
  })
  after(async () => {
    await api.close()
    database.close()
    rmSync(directory, { recursive: true })
  })

  const ask = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const key = { 'x-api-key': KEY }
    const headers = { ...key, 'content-type': 'application/json' }
    const json = typeof body === 'string' ? body : JSON.stringify(body)
    const init = body === undefined ? { headers: key } : { headers, body: json }
    const answer = await fetch(api.url + path, { method, ...init })
    return { status: answer.status, body: (await answer.json()) as Answer['body'] }
  }
  const registration = (id: string): object => ({
    id,
    url: `http://10.0.0.1:${PORT}`,
    capacityBytes: 1000,
    version: '1.0.0',
  })
  const register = (id: string): Promise<Answer> =>
    ask('POST', '/api/peers/register', registration(id))
  const list = async (query = ''): Promise<PeerStatus[]> =>
    (await ask('GET', `/api/peers${query}`)).body as unknown as PeerStatus[]
  const ids = async (query = ''): Promise<string[]> => (await list(query)).map(({ id }) => id)
  const holders = async (query: string): Promise<string[]> => {
    const { body } = await ask('GET', `/api/files/location?${query}`)
    return (body['peers'] as PeerStatus[]).map(({ id }) => id).sort()
  }
  const startAnew = (): void => {
    nowMs += limits.peerStaleMs
    peers.sweep()
  }

  test('all routes but health require the key', async () => {
    const health = await fetch(`${api.url}/api/health`)
    assert.deepEqual(await health.json(), { status: 'ok', problems: [] })
    for (const probe of ['live', 'ready']) {
      assert.equal((await fetch(`${api.url}/api/health/${probe}`)).status, 200, probe)
    }
    const closed = ['/api/peers', '/api/stats', '/api/files/location?ino=1', '/metrics']
    for (const path of [...closed, '/api/openapi.json', '/nowhere']) {
      assert.equal((await fetch(api.url + path)).status, 401, path)
      const wrong = { headers: { 'x-api-key': `${KEY}x` } }
      assert.equal((await fetch(api.url + path, wrong)).status, 401, path)
    }
    for (const path of closed) {
      const right = { headers: { 'x-api-key': KEY } }
      assert.equal((await fetch(api.url + path, right)).status, 200, path)
    }
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
    assert.equal((await fetch(`${api.url}/api/peers/register`, init)).status, 401)
  })

  test('nodes register, report, and are listed until they are silent for a minute', async () => {
    startAnew()
    assert.deepEqual(await list(), [])
    const { status, body } = await register('b')
    assert.equal(status, 200)
    assert.equal((body['peer'] as PeerStatus).url, 'http://10.0.0.1:8081')
    assert.equal(body['staleAfterMs'], 60_000)
    await register('a')
    const report = { id: 'a', usedBytes: 400, hits: 3, misses: 1, tomorrow: 'unknown today' }
    const answer = await ask('PUT', '/api/peers/status', report)
    assert.deepEqual([answer.status, answer.body['usedBytes']], [200, 400])
    assert.ok(!('tomorrow' in answer.body))
    assert.deepEqual(await ids(), ['a', 'b'])
    nowMs += 59_999
    await ask('PUT', '/api/peers/status', { id: 'a' })
    assert.deepEqual(await ids(), ['a', 'b'])
    nowMs += 1
    assert.deepEqual(await ids(), ['a'])
    const late = await ask('PUT', '/api/peers/status', { id: 'b', usedBytes: 1 })
    assert.deepEqual([late.status, late.body.error?.code], [404, 'ENOENT'])
  })

  test('a number of peers can be requested in random order', async () => {
    startAnew()
    for (const id of ['a', 'b', 'c']) await register(id)
    assert.equal((await ids('?any=2')).length, 2)
    assert.deepEqual((await ids('?any=9&except=b')).sort(), ['a', 'c'])
    const firsts = new Set<string | undefined>()
    for (let i = 0; i < 60; i++) firsts.add((await ids('?any=3'))[0])
    assert.equal(firsts.size, 3)
    for (const query of ['?any=x', '?any=-1', '?all=1']) {
      assert.equal((await ask('GET', `/api/peers${query}`)).status, 400, query)
    }
  })

  test('invalid bodies are rejected and change nothing', async () => {
    startAnew()
    await register('a')
    const good = registration('bad')
    const bodies: unknown[] = ['', '{', 'null', '[]', '5', '{"id":', {}, { id: 'bad' }]
    for (const change of [
      { id: 5 },
      { id: 'a b' },
      { id: '' },
      { url: 'nowhere' },
      { url: 'file:///etc/passwd' },
      { url: null },
      { url: `http://${'x'.repeat(1000)}` },
      { capacityBytes: '1000' },
      { capacityBytes: -1 },
      { capacityBytes: 1e300 },
      { version: {} },
      { version: 'x'.repeat(100) },
    ]) {
      bodies.push({ ...good, ...change })
    }
    for (const body of bodies) {
      const { status, body: answer } = await ask('POST', '/api/peers/register', body)
      assert.equal(status, 400, JSON.stringify(body))
      assert.equal(answer.error?.code, 'EINVAL')
    }
    for (const change of [{ hits: -1 }, { hits: 1.5 }, { usedBytes: '1' }, { health: 'fine' }]) {
      const { status } = await ask('PUT', '/api/peers/status', { id: 'a', ...change })
      assert.equal(status, 400, JSON.stringify(change))
    }
    assert.deepEqual(await ids(), ['a'])
    const plain = { method: 'POST', headers: { 'x-api-key': KEY }, body: JSON.stringify(good) }
    assert.equal((await fetch(`${api.url}/api/peers/register`, plain)).status, 415)
    const large = { ...good, more: 'x'.repeat(limits.apiJsonBytes) }
    const { status, body } = await ask('POST', '/api/peers/register', large)
    assert.deepEqual([status, body.error?.code], [413, 'EFBIG'])
  })

  test('the locations of a file are the announcements of live nodes', async () => {
    startAnew()
    for (const id of ['a', 'b', 'c']) await register(id)
    const put = (query: string, body: object): Promise<Answer> =>
      ask('PUT', `/api/files/location${query}`, body)
    assert.equal((await put('', { path: '/x/y', peerId: 'a' })).status, 200)
    assert.equal((await put('?path=/x/y', { peerId: 'b' })).status, 200)
    assert.deepEqual(await holders('path=/x/y'), ['a', 'b'])
    await put('?path=/x/y', { peerId: 'a', present: false })
    assert.deepEqual(await holders('path=/x/y'), ['b'])
    await put('', { ino: 7, peerId: 'c' })
    assert.deepEqual(await holders('path=%2Fas%2Finode-7'), ['c'], 'one file by both names')
    assert.deepEqual(await holders('ino=7'), ['c'])
    assert.deepEqual(await holders('path=/nobody'), [])
    assert.equal((await put('?ino=7', { peerId: 'stranger' })).status, 404)
    startAnew()
    assert.deepEqual(await holders('ino=7'), [])
  })

  test('a file must be named exactly once, by a valid reference', async () => {
    startAnew()
    await register('a')
    for (const query of ['', '?path=/a&ino=1', '?ino=0', '?ino=x', '?path=/a/../b', '?path=//']) {
      const { status } = await ask('GET', `/api/files/location${query}`)
      assert.equal(status, 400, query)
    }
    for (const body of [{ peerId: 'a', path: 5 }, { peerId: 'a' }, { ino: 5 }, { ino: -1 }]) {
      assert.equal((await ask('PUT', '/api/files/location', body)).status, 400)
    }
    const both = await ask('PUT', '/api/files/location?ino=1', { peerId: 'a', path: '/b' })
    assert.equal(both.status, 400)
  })

  test('statistics and metrics are totals of all nodes', async () => {
    startAnew()
    for (const id of ['a', 'b']) await register(id)
    await ask('PUT', '/api/peers/status', { id: 'a', hits: 6, backlogBytes: 5, backlogAgeMs: 10 })
    await ask('PUT', '/api/peers/status', { id: 'b', misses: 2, backlogBytes: 5, backlogAgeMs: 70 })
    const { body } = await ask('GET', '/api/stats')
    const { peers: count, capacityBytes, hitRatio, backlogBytes, backlogAgeMs, sessions } = body
    assert.deepEqual([count, capacityBytes, hitRatio], [2, 2000, 0.75])
    assert.deepEqual([backlogBytes, backlogAgeMs, sessions], [10, 70, 3])
    const headers = { 'x-api-key': KEY }
    const metrics = await (await fetch(`${api.url}/metrics`, { headers })).text()
    assert.match(metrics, /^cachefs_cluster_peers 2$/m)
    assert.match(metrics, /^cachefs_cluster_backlog_bytes 10$/m)
    checkDocumented(metrics, 'coordinator')
  })

  test('OpenAPI names every route', async () => {
    const { body } = await ask('GET', '/api/openapi.json')
    const paths = body['paths'] as Record<string, object>
    const named = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    for (const route of [
      'post /api/peers/register',
      'get /api/peers',
      'put /api/peers/status',
      'get /api/files/location',
      'put /api/files/location',
      'get /api/stats',
      'get /api/health',
      'get /api/health/live',
      'get /api/health/ready',
    ]) {
      assert.ok(named.includes(route), route)
    }
  })

  test('Expect: 100-continue is answered', async () => {
    startAnew()
    await register('a')
    const body = JSON.stringify({ id: 'a', usedBytes: 77 })
    const { port } = new URL(api.url)
    const socket = connect(Number(port), '127.0.0.1')
    const answer = text(socket)
    socket.write(
      `PUT /api/peers/status HTTP/1.1\r\nHost: x\r\nX-API-Key: ${KEY}\r\nConnection: close\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
        'Expect: 100-continue\r\n\r\n',
    )
    const [word] = (await once(socket, 'data')) as [Buffer]
    assert.match(word.toString(), /^HTTP\/1\.1 100 Continue/)
    socket.write(body)
    assert.match(await answer, /HTTP\/1\.1 200 OK[^]*"usedBytes":77/)
  })
})

test('announcements are bounded; the least recently used is dropped first', async () => {
  const locations = new AnnouncedLocations()
  const find = async (ino: number): Promise<readonly string[]> =>
    (await locations.find({ ino })).peers
  for (let ino = 1; ino <= limits.announcedFiles; ino++) {
    await locations.announce({ ino }, 'a', true)
  }
  assert.deepEqual(await find(1), ['a'])
  await locations.announce({ ino: limits.announcedFiles + 1 }, 'a', true)
  assert.deepEqual([await find(1), await find(2), await find(3)], [['a'], [], ['a']])
  for (let i = 1; i < limits.announcedPeers; i++) await locations.announce({ ino: 3 }, `${i}`, true)
  await assert.rejects(locations.announce({ ino: 3 }, 'one more', true), { code: 'EAGAIN' })
  locations.forgetPeer('a')
  assert.deepEqual([await find(1), (await find(3)).length], [[], limits.announcedPeers - 1])
})

/** Routes of the node API: access, answers, and streamed responses. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startNodeApi } from '../fixtures/node-api-fixture.ts'
import type { NodeApiFixture } from '../fixtures/node-api-fixture.ts'

const KEY = 'k€y with odd letters'
const HEADER = encodeURIComponent(KEY)

type Init = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> }

describe('the routes of a node', () => {
  let api: NodeApiFixture
  before(async () => {
    api = await startNodeApi({ apiKey: HEADER })
  })
  after(() => api[Symbol.asyncDispose]())

  const ask = (path: string, init: Init = {}): Promise<Response> =>
    fetch(api.url + path, { ...init, headers: { 'x-api-key': HEADER, ...init.headers } })
  const post = (
    verb: string,
    body: unknown,
    init: { signal?: AbortSignal } = {},
  ): Promise<Response> =>
    ask(`/api/${verb}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
      ...init,
    })
  const linesOf = async (answer: Response): Promise<Record<string, unknown>[]> =>
    (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  test('all routes but health require the key', async () => {
    assert.equal((await fetch(`${api.url}/api/health`)).status, 200)
    const paths = ['/api/status', '/api/peers', '/api/cache', '/api/cache/stats', '/metrics']
    for (const path of [
      ...paths,
      '/api/health/',
      '/api/openapi.json',
      '/api/files/',
      '/nowhere',
      '/api/health/x',
    ]) {
      const answer = await fetch(api.url + path)
      assert.equal(answer.status, 401, path)
      const { error } = (await answer.json()) as { error: { code: string } }
      assert.equal(error.code, 'EACCES')
    }
    for (const path of paths) assert.equal((await ask(path)).status, 200, path)
    for (const wrong of ['', 'x', `${HEADER}x`, HEADER.slice(1)]) {
      assert.equal((await ask('/api/status', { headers: { 'x-api-key': wrong } })).status, 401)
    }
    const bearer = { headers: { authorization: `Bearer ${HEADER}` } }
    assert.equal((await fetch(`${api.url}/metrics`, bearer)).status, 200)
    const upload = { method: 'PUT', body: Buffer.alloc(5_000_000) }
    assert.equal((await fetch(api.file('x'), upload)).status, 401)
  })

  test('routes return the answers of the node', async () => {
    const json = async (path: string): Promise<unknown> => (await ask(path)).json()
    assert.deepEqual(await json('/api/health'), { status: 'ok', problems: [] })
    assert.deepEqual(await json('/api/peers'), [])
    assert.deepEqual(await json('/api/cache/stats'), { hits: 3, misses: 1 })
    assert.deepEqual(await json('/api/receipt/a%20b'), { path: '/a b', durable: true })
    assert.deepEqual(await json('/api/explain/'), { path: '/', chunks: [] })
    assert.equal((await ask('/api/receipt/none')).status, 404)
    assert.equal((await ask('/api/receipt/x%2Fy')).status, 400)
  })

  test('a node is live but not ready only with a blocking problem', async () => {
    const at = (path: string): Promise<Response> => fetch(`${api.url}/api/health${path}`)
    const problem = { what: 'x is away', since: new Date(0), works: 'a', fails: 'b' }
    const told = { ...problem, since: '1970-01-01T00:00:00.000Z' }
    for (const [blocking, status] of [
      [false, 200],
      [true, 503],
    ] as const) {
      api.node.lacks = [{ ...problem, reason: 'gone', blocking }]
      const ready = await at('/ready')
      assert.equal(ready.status, status)
      const problems = [{ ...told, reason: 'gone', blocking }]
      assert.deepEqual(await ready.json(), { ready: !blocking, problems })
      assert.equal((await at('/live')).status, 200)
      const sentence = 'x is away since 1970-01-01T00:00:00.000Z: gone'
      assert.deepEqual(await (await at('')).json(), { status: 'degraded', problems: [sentence] })
    }
    api.node.lacks = []
    assert.deepEqual(await (await at('/ready')).json(), { ready: true, problems: [] })
  })

  test('metrics have the Prometheus format and include requests', async () => {
    const answer = await ask('/metrics')
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    const text = await answer.text()
    assert.match(text, /^cachefs_hits_total 3$/m)
    assert.match(text, /^cachefs_used_bytes 5$/m)
    assert.match(
      text,
      /^cachefs_http_requests_total\{.*route="\/api\/health".*status="200".*\} \d+$/m,
    )
  })

  test('OpenAPI names every route', async () => {
    const document = (await (await ask('/api/openapi.json')).json()) as {
      openapi: string
      paths: Record<string, Record<string, { parameters?: { name: string }[] }>>
    }
    assert.match(document.openapi, /^3\./)
    const names = ['health', 'status', 'peers', 'cache', 'cache/stats', 'wait', 'warm', 'evict']
    names.push('health/live', 'health/ready')
    const expected = [...names, 'files/{path}', 'files/{path}/size', 'receipt/{path}']
    for (const name of expected) assert.ok(document.paths[`/api/${name}`], name)
    const methods = Object.keys(document.paths['/api/files/{path}'] ?? {}).sort()
    assert.deepEqual(methods, ['delete', 'get', 'head', 'put'])
    const parameters = document.paths['/api/files/{path}']?.['get']?.parameters ?? []
    assert.ok(parameters.some((it) => it.name === 'path'))
  })

  test('long responses are streamed as lines; the last one is done', async () => {
    for (const verb of ['wait', 'warm', 'evict']) {
      const answer = await post(verb, { paths: ['/a', '/b'] })
      assert.match(answer.headers.get('content-type') ?? '', /^application\/x-ndjson/)
      const lines = await linesOf(answer)
      assert.equal(lines.length, 2)
      assert.equal(lines[1]?.['done'], true)
    }
  })

  test('a failure before the first line is a status, a later one a line', async () => {
    const absent = await post('wait', { paths: ['/none'] })
    assert.equal(absent.status, 404)
    const lines = await linesOf(await post('wait', { paths: ['/fails'] }))
    const { error } = lines.at(-1) as { error: { code: string; message: string } }
    assert.deepEqual([lines.length, error.code], [2, 'EIO'])
  })

  test('a client that disconnects cancels the work', async () => {
    const controller = new AbortController()
    const answer = await post('warm', { paths: ['/hangs'] }, { signal: controller.signal })
    const reader = answer.body!.getReader()
    await reader.read()
    controller.abort()
    await assert.rejects(reader.read())
    for (let i = 0; i < 100 && api.node.aborts === 0; i++) await pause(10)
    assert.equal(api.node.aborts, 1)
  })

  test('invalid bodies are rejected', async () => {
    const bodies: unknown[] = [{}, { paths: [] }, { paths: ['a'] }, { paths: '/a' }, [], null, 5]
    bodies.push({ paths: ['/a'], more: 1 }, { paths: [5] }, { paths: Array(1001).fill('/a') })
    bodies.push({ paths: ['/a/../b'] }, { paths: ['/a\0'] })
    for (const body of bodies) {
      assert.equal((await post('wait', body)).status, 400, JSON.stringify(body).slice(0, 50))
    }
    const init = { method: 'POST', body: '{"paths":', headers: { 'content-type': 'text/plain' } }
    assert.equal((await ask('/api/wait', init)).status, 415)
    init.headers['content-type'] = 'application/json'
    assert.equal((await ask('/api/wait', init)).status, 400)
    const large = { paths: Array(1000).fill(`/${'x'.repeat(10_000)}`) }
    assert.equal((await post('wait', large)).status, 413)
  })

  test('a client that disconnects ends the read of its file', async () => {
    await writeFile(join(api.directory, 'large'), Buffer.alloc(50_000_000))
    const controller = new AbortController()
    const answer = await ask('/api/files/large', { signal: controller.signal })
    await answer.body!.getReader().read()
    const before = api.files.aborts
    controller.abort()
    for (let i = 0; i < 100 && api.files.aborts === before; i++) await pause(10)
    assert.ok(api.files.aborts > before)
  })
})

test('a stopping node ends running requests and accepts no new ones', async () => {
  await using api = await startNodeApi({ apiKey: HEADER })
  await mkdir(join(api.directory, 'x'))
  const headers = { 'content-type': 'application/json', 'x-api-key': HEADER }
  const body = JSON.stringify({ paths: ['/hangs'] })
  const answer = await fetch(`${api.url}/api/wait`, { method: 'POST', body, headers })
  const started = performance.now()
  const lines = answer.text().catch(() => 'cut off')
  await api.close()
  assert.ok(performance.now() - started < 3000, 'it waited for an idle connection')
  assert.match(await lines, /ECANCELED|cut off/)
  assert.equal(api.node.aborts, 1)
  await assert.rejects(fetch(`${api.url}/api/health`))
})

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Input that no HTTP client would send gets a clear answer, changes nothing and harms nobody.
 */
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startNodeApi } from '../fixtures/node-api-fixture.ts'
import type { NodeApiFixture } from '../fixtures/node-api-fixture.ts'
import { rawRequest, sendAndLeave } from '../fixtures/raw-request.ts'

const KEY = 'the api key'
const END = `Host: x\r\nX-API-Key: ${KEY}\r\nConnection: close\r\n\r\n`

describe('bad input', () => {
  let api: NodeApiFixture
  before(async () => {
    api = await startNodeApi({ apiKey: KEY, maxUploadBytes: 1000 })
    await mkdir(join(api.directory, 'inside'))
    await writeFile(join(api.directory, 'old'), 'old content')
    await writeFile(join(api.directory, 'inside/ü'), 'umlaut')
  })
  after(() => api[Symbol.asyncDispose]())

  const status = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
  const get = (target: string): Promise<string> =>
    rawRequest(api.port, Buffer.from(`GET ${target} HTTP/1.1\r\n${END}`, 'utf8'))
  const assertError = (answer: string, code: string): void => {
    const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
    const { error } = JSON.parse(body) as { error: { code: string; message: string } }
    assert.equal(error.code, code, answer)
    assert.ok(error.message.length > 0)
  }
  const unchanged = async (): Promise<void> => {
    assert.equal(await readFile(join(api.directory, 'old'), 'utf8'), 'old content')
    const names = async (): Promise<string[]> => (await readdir(api.directory)).sort()
    // Requests whose client has left end a moment later.
    do {
      await new Promise((resolve) => setTimeout(resolve, 100))
    } while ((await names()).length > 2)
    assert.deepEqual(await names(), ['inside', 'old'])
  }

  test('no spelling of a path leads out of the volume', async () => {
    const targets = [
      '/api/files/../../etc/passwd',
      '/api/files/inside/../../../etc/passwd',
      '/api/files/%2e%2e/%2e%2e/etc/passwd',
      '/api/files/.%2e/etc/passwd',
      '/api/files/..%2f..%2fetc%2fpasswd',
      '/api/files/%2fetc%2fpasswd',
      '/api/files/inside%2f..%2f..%2fetc',
      '/api/files/./old',
      '/api/files/old%00.txt',
      '/api/files/%00',
      '/api/files/inside//ü',
      '/api/files/%c0%ae%c0%ae/etc/passwd',
      '/api/files/%e0%80%af',
      '/api/files/%ff',
      '/api/files/%zz',
      '/api/files/%',
      '/api/files/%ed%a0%80',
    ]
    for (const target of targets) {
      const answer = await get(target)
      assert.equal(status(answer), 400, target)
      assertError(answer, 'EINVAL')
      assert.doesNotMatch(answer, /root:/)
    }
    await unchanged()
  })

  test('another spelling of a path means the same file or is rejected', async () => {
    for (const target of ['/api/files/inside/%C3%BC', '/api/files/insid%65/%c3%bc']) {
      assert.match(await get(target), /umlaut$/, target)
    }
    const bare = await get('/api/files/inside/ü')
    assert.equal(status(bare), 400)
    assert.match(bare, /escape what is not ASCII/)
    assert.match(await get(`http://other.host/api/files/old`), /old content$/)
    for (const target of ['/api/%66iles/old', '/%61pi/files/old', '//api/files/old']) {
      assert.ok([200, 400, 404].includes(status(await get(target))), target)
      assert.doesNotMatch(await get(target), /HTTP\/1\.1 200[^]*umlaut/)
    }
    assert.equal(status(await get('/api/files/back%5C..%5Cslash')), 404)
    assert.equal(status(await get('/api/files/a\\..\\b')), 404)
  })

  test('names and paths have a maximum length', async () => {
    const answer = await get(`/api/files/${'x'.repeat(256)}`)
    assert.equal(status(answer), 414)
    assertError(answer, 'ENAMETOOLONG')
    assert.equal(status(await get(`/api/files/${'%C3%BC'.repeat(128)}`)), 414)
    assert.equal(status(await get(`/api/files/${'x/'.repeat(2100)}`)), 414)
    assert.equal(status(await get(`/api/files/${'x'.repeat(255)}`)), 404)
    assert.equal(status(await get(`/${'x'.repeat(20_000)}`)), 431)
    const header = `GET /api/health HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n${END}`
    const large = await rawRequest(api.port, header)
    assert.equal(status(large), 431)
    assertError(large, 'E2BIG')
  })

  test('a truncated body leaves the old file', async () => {
    const put = 'PUT /api/files/old HTTP/1.1\r\nHost: x\r\n' + `X-API-Key: ${KEY}\r\n`
    await sendAndLeave(api.port, `${put}Content-Length: 100\r\n\r\nhalf of it`)
    await sendAndLeave(api.port, `${put}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n`)
    await sendAndLeave(api.port, `${put}Content-Length: 100\r\n\r\n`)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await unchanged()
    const chunk = await rawRequest(
      api.port,
      `${put}Transfer-Encoding: chunked\r\n\r\nnot a size\r\n`,
    )
    assert.equal(status(chunk), 400)
    await unchanged()
  })

  test('wrong or contradictory lengths are rejected', async () => {
    const put = (headers: string): Promise<string> =>
      rawRequest(api.port, `PUT /api/files/old HTTP/1.1\r\n${headers}\r\n${END}`)
    for (const headers of [
      'Content-Length: abc',
      'Content-Length: -1',
      'Content-Length: 1e3',
      'Content-Length: 5\r\nContent-Length: 6',
      'Content-Length: 5\r\nTransfer-Encoding: chunked',
      'Transfer-Encoding: nonsense',
      'Content-Length: 99999999999999999999999999',
    ]) {
      const answer = await put(headers)
      assert.equal(status(answer), 400, headers)
      assertError(answer, 'EINVAL')
    }
    await unchanged()
  })

  test('unsupported codings and other versions of HTTP are rejected', async () => {
    const chunks = '5\r\nhello\r\n0\r\n\r\n'
    const put = (version: string, headers: string, body: string): Promise<string> =>
      rawRequest(api.port, `PUT /api/files/old HTTP/${version}\r\n${headers}\r\n${END}${body}`)
    const cases: [string, string, string, number][] = [
      ['1.1', 'Transfer-Encoding: gzip, chunked', chunks, 501],
      ['1.1', 'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked', chunks, 501],
      ['1.1', 'Transfer-Encoding: identity, chunked', chunks, 501],
      ['1.1', 'Transfer-Encoding: ,chunked', chunks, 501],
      ['1.0', 'Transfer-Encoding: chunked', chunks, 400],
      ['1.1', 'Content-Encoding: gzip\r\nContent-Length: 5', 'hello', 415],
      ['1.1', 'Content-Range: bytes 0-4/5\r\nContent-Length: 5', 'hello', 400],
      ['1.1', 'Content-Length: 5\r\nContent-Length: 5', 'hello', 400],
      ['1.1', 'Expect: a miracle\r\nContent-Length: 5', 'hello', 417],
      ['2.0', 'Content-Length: 5', 'hello', 505],
      ['0.9', 'Content-Length: 5', 'hello', 505],
    ]
    for (const [version, headers, body, expected] of cases) {
      const answer = await put(version, headers, body)
      assert.equal(status(answer), expected, headers)
      assertError(answer, expected === 400 ? 'EINVAL' : 'EOPNOTSUPP')
    }
    const http2 = await rawRequest(api.port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    assert.equal(status(http2), 505)
    assert.match(http2, /use HTTP\/1\.1/)
    await unchanged()
    // Trailers belong to the framing and are not headers.
    const trailers = `5\r\nhello\r\n0\r\nContent-Range: bytes 0-4/9\r\n\r\n`
    const head = `PUT /api/files/inside/trailers HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${END}`
    assert.equal(status(await rawRequest(api.port, head + trailers)), 201)
    assert.equal(await readFile(join(api.directory, 'inside/trailers'), 'utf8'), 'hello')
  })

  test('too large input is rejected before it is read', async () => {
    const head = `PUT /api/files/big HTTP/1.1\r\nContent-Length: 5000\r\n`
    const refused = await rawRequest(api.port, `${head}Expect: 100-continue\r\n${END}`)
    assert.equal(status(refused), 413, 'no 100 Continue')
    assertError(refused, 'EFBIG')
    const fits = 'PUT /api/files/inside/new HTTP/1.1\r\nContent-Length: 5\r\n'
    const taken = await rawRequest(api.port, `${fits}Expect: 100-continue\r\n${END}`, 'hello')
    assert.match(taken, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201/)
    const chunked = `PUT /api/files/big HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${END}`
    const body = `3e9\r\n${'x'.repeat(1001)}\r\n`
    const answer = await rawRequest(api.port, chunked + body)
    assert.equal(status(answer), 413)
    await unchanged()
  })

  test('garbage after a request is an error and ends the connection', async () => {
    const first = `GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n`
    const answer = await rawRequest(api.port, `${first}\x00\x01garbage\r\n\r\n`)
    assert.match(answer, /HTTP\/1\.1 400 /)
    assert.equal(status(await rawRequest(api.port, first.replace('\r\n\r\n', `\r\n${END}`))), 200)
    assert.equal(status(await rawRequest(api.port, 'nonsense\r\n\r\n')), 400)
    assert.equal(status(await rawRequest(api.port, 'GET /api/health HTTP/9.9\r\n\r\n')), 400)
    assert.equal(status(await rawRequest(api.port, 'GET / HTTP/1.1\r\n\r\n')), 400, 'no Host')
    const pipelined = await rawRequest(
      api.port,
      first + first + first.replace('\r\n\r\n', `\r\n${END}`),
    )
    assert.equal(pipelined.match(/HTTP\/1\.1 200/g)?.length, 3)
  })

  test('garbage during a response does not get into it', async () => {
    await writeFile(join(api.directory, 'inside/large'), Buffer.alloc(20_000_000, 'a'))
    const request = `GET /api/files/inside/large HTTP/1.1\r\n${END.replace('close', 'keep-alive')}`
    const socket = connect({ port: api.port, host: '127.0.0.1' })
    let answer = ''
    socket.on('data', (data) => {
      if (answer === '') socket.write('\x00garbage\r\n\r\n')
      answer += data.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.write(request)
    await new Promise((resolve) => socket.once('close', resolve))
    assert.match(answer.slice(answer.indexOf('\r\n\r\n') + 4), /^a*$/)
  })

  test('unknown methods and paths are errors', async () => {
    const ask = (method: string, target: string): Promise<string> =>
      rawRequest(api.port, `${method} ${target} HTTP/1.1\r\n${END}`)
    const posted = await ask('POST', '/api/files/old')
    assert.equal(status(posted), 405)
    assert.match(posted, /allow: GET, HEAD, PUT, DELETE/i)
    assert.equal(status(await ask('PATCH', '/api/files/old')), 405)
    const nowhere = await get('/nowhere')
    assert.equal(status(nowhere), 404)
    assertError(nowhere, 'ENOENT')
    await unchanged()
  })
})

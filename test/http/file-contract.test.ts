/**
 * Files over HTTP (RFC 9110): the same ranges, preconditions and statuses wherever CacheFS serves
 * files.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { FileServer, answerFor } from '../../src/filesystem/http/file-server.ts'
import { LocalFS } from '../../src/filesystem/local/local-fs.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { keyedFetch } from '../fixtures/keyed-fetch.ts'
import { API_KEY, startNodeApi } from '../fixtures/node-api-fixture.ts'

const MIB = 1024 * 1024

interface Served extends AsyncDisposable {
  ask(path: string, init?: RequestInit): Promise<Response>
  makeDirectory(path: string): Promise<unknown>
  /** It cuts the transfer of a file that is replaced: `LocalFS` checks the version at the end. */
  mayCut?: boolean
}

function ignoreCut(error: unknown): undefined {
  if (!(error instanceof TypeError)) throw error
  return undefined
}

const SERVERS: Record<string, () => Promise<Served>> = {
  'the API of a node': async () => {
    const api = await startNodeApi()
    const fetch = keyedFetch(API_KEY)
    return {
      ask: (path, init) => fetch(api.file(path), init),
      makeDirectory: (path) => api.files.mkdir(path),
      [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
    }
  },
  'a FileServer': async () => {
    const directory = await mkdtemp(join(tmpdir(), 'cachefs-served-'))
    const files = new LocalFS(directory)
    const server = await FileServer.listen(files)
    return {
      ask: (path, init) => fetch(`${server.url}/${path}`, init),
      mayCut: true,
      makeDirectory: (path) => files.mkdir(path),
      [Symbol.asyncDispose]: async () => {
        await server.close()
        await rm(directory, { recursive: true })
      },
    }
  },
  'another server, through answerFor': async () => {
    const files = new MemoryFS()
    return await Promise.resolve({
      ask: (path, init) => answerFor(files, new Request(`http://server/${path}`, init)),
      makeDirectory: (path) => files.mkdir(path),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    })
  },
}

for (const [name, serve] of Object.entries(SERVERS)) {
  describe(`files over HTTP: ${name}`, () => {
    let served: Served
    before(async () => {
      served = await serve()
    })
    after(() => served[Symbol.asyncDispose]())

    const ask = (path: string, init?: RequestInit): Promise<Response> => served.ask(path, init)
    const put = (path: string, body: string | Buffer, headers = {}): Promise<Response> =>
      ask(path, { method: 'PUT', body, headers })
    const get = (path: string, headers = {}): Promise<Response> => ask(path, { headers })
    const errorOf = async (answer: Response): Promise<{ code: string; path?: string }> => {
      const { error } = (await answer.json()) as { error: { code: string; message: string } }
      assert.ok(error.message.length > 0)
      return error
    }

    test('HEAD is GET without the content', async () => {
      await put('head', 'twelve bytes')
      const [head, full] = [await ask('head', { method: 'HEAD' }), await get('head')]
      for (const name of ['content-length', 'etag', 'last-modified', 'content-type']) {
        assert.equal(head.headers.get(name), full.headers.get(name), name)
      }
      assert.equal(await head.text(), '')
      assert.equal((await ask('head/none', { method: 'HEAD' })).status, 404)
      const part = await ask('head', { method: 'HEAD', headers: { range: 'bytes=0-1' } })
      assert.deepEqual([part.status, part.headers.get('content-length')], [200, '12'])
    })

    test('DELETE removes a file or an empty directory, and reports errors', async () => {
      const remove = (path: string): Promise<Response> => ask(path, { method: 'DELETE' })
      await served.makeDirectory('/gone')
      await put('gone/file', 'x')
      const full = await remove('gone')
      assert.deepEqual([full.status, (await errorOf(full)).code], [409, 'ENOTEMPTY'])
      assert.equal((await remove('gone/file')).status, 204)
      assert.equal((await remove('gone')).status, 204)
      const absent = await remove('gone')
      assert.equal(absent.status, 404)
      const error = await errorOf(absent)
      assert.deepEqual([error.code, error.path], ['ENOENT', '/gone'])
      assert.equal((await remove('')).status, 409)
    })

    test('single, multiple and unsatisfiable ranges', async () => {
      const data = randomBytes(1000)
      await put('ranges', data)
      await put('empty', '')
      const range = (value: string): Promise<Response> => get('ranges', { range: value })
      const cases: [string, number, number][] = [
        ['bytes=0-0', 0, 1],
        ['bytes=999-', 999, 1000],
        ['bytes=100-199', 100, 200],
        ['bytes=-10', 990, 1000],
        ['bytes=-5000', 0, 1000],
        ['bytes=900-5000', 900, 1000],
        ['bytes=0-49,50-99', 0, 100],
        ['bytes=0-49, 20-30', 0, 50],
      ]
      for (const [header, start, end] of cases) {
        const answer = await range(header)
        assert.equal(answer.status, 206, header)
        assert.equal(answer.headers.get('content-range'), `bytes ${start}-${end - 1}/1000`, header)
        assert.equal(answer.headers.get('content-length'), String(end - start))
        assert.deepEqual(Buffer.from(await answer.arrayBuffer()), data.subarray(start, end))
      }
      for (const header of ['bytes=1000-', 'bytes=-0', 'bytes=5000-6000', 'bytes=2000-,3000-']) {
        const answer = await range(header)
        assert.equal(answer.status, 416, header)
        assert.equal(answer.headers.get('content-range'), 'bytes */1000')
        assert.equal((await errorOf(answer)).code, 'EINVAL')
      }
      const many = `bytes=${Array.from({ length: 100 }, (_, i) => `${i * 5}-${i * 5}`).join(',')}`
      for (const header of ['bytes=5-2', 'bytes=x', 'lines=1-2', 'bytes=', 'bytes=1-2,x', many]) {
        const answer = await range(header)
        assert.equal(answer.status, 200, header)
        assert.equal((await answer.arrayBuffer()).byteLength, 1000)
      }
      assert.equal((await get('empty', { range: 'bytes=0-' })).status, 416)
    })

    test('multiple ranges are parts of one body', async () => {
      const data = randomBytes(1000)
      await put('parts', data)
      const answer = await get('parts', { range: 'bytes=0-9,500-599,-5' })
      assert.equal(answer.status, 206)
      const type = answer.headers.get('content-type') ?? ''
      const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(type)?.[1] ?? ''
      const body = Buffer.from(await answer.arrayBuffer())
      assert.equal(answer.headers.get('content-length'), String(body.length))
      const parts = body.toString('latin1').split(`\r\n--${boundary}`)
      assert.equal(parts.pop(), '--\r\n')
      const contents = parts.slice(1).map((part) => part.slice(part.indexOf('\r\n\r\n') + 4))
      const expected = [data.subarray(0, 10), data.subarray(500, 600), data.subarray(995)]
      assert.deepEqual(
        contents,
        expected.map((it) => it.toString('latin1')),
      )
      assert.match(parts[2] ?? '', /Content-Range: bytes 500-599\/1000\r\n/i)
    })

    test('conditional reads', async () => {
      const etag = (await put('conditional', 'content')).headers.get('etag') ?? ''
      const date = (await get('conditional')).headers.get('last-modified') ?? ''
      const earlier = new Date(Date.parse(date) - 60_000).toUTCString()
      const cases: [Record<string, string>, number][] = [
        [{ 'if-none-match': etag }, 304],
        [{ 'if-none-match': `"x", W/${etag}` }, 304],
        [{ 'if-none-match': '*' }, 304],
        [{ 'if-none-match': '"x,y"' }, 200],
        [{ 'if-match': etag }, 200],
        [{ 'if-match': '*' }, 200],
        [{ 'if-match': `W/${etag}` }, 412],
        [{ 'if-match': '"x"' }, 412],
        [{ 'if-modified-since': date }, 304],
        [{ 'if-modified-since': earlier }, 200],
        [{ 'if-modified-since': 'yesterday' }, 200],
        [{ 'if-unmodified-since': earlier }, 412],
        [{ 'if-unmodified-since': date }, 200],
        [{ 'if-none-match': '"x"', 'if-modified-since': date }, 200],
        [{ 'if-match': etag, 'if-unmodified-since': earlier }, 200],
        [{ range: 'bytes=0-1', 'if-range': etag }, 206],
        [{ range: 'bytes=0-1', 'if-range': '"x"' }, 200],
        [{ range: 'bytes=0-1', 'if-range': `W/${etag}` }, 200],
        [{ range: 'bytes=0-1', 'if-range': earlier }, 200],
      ]
      for (const [headers, status] of cases) {
        const answer = await get('conditional', headers)
        assert.equal(answer.status, status, JSON.stringify(headers))
        if (status !== 412) assert.equal(answer.headers.get('etag'), etag)
        await answer.arrayBuffer()
      }
    })

    test('conditional writes', async () => {
      const conditions = async (headers: object): Promise<number> =>
        (await put('guarded', 'new', headers)).status
      assert.equal(await conditions({ 'if-match': '*' }), 412)
      assert.equal(await conditions({ 'if-none-match': '*' }), 201)
      assert.equal(await conditions({ 'if-none-match': '*' }), 412)
      const etag = (await get('guarded')).headers.get('etag') ?? ''
      assert.equal(await conditions({ 'if-match': '"x"' }), 412)
      assert.equal(await conditions({ 'if-match': etag }), 200)
      assert.equal(await conditions({ 'if-match': etag }), 412, 'it has another tag now')
      const now = (await get('guarded')).headers.get('etag') ?? ''
      assert.equal(await conditions({ 'if-match': `W/${now}` }), 412, 'weak tags never match')
      assert.equal(await conditions({ 'if-match': `"x", ${now}` }), 200)
      assert.equal(await conditions({ 'if-none-match': '"x"' }), 200)
      const latest = (await get('guarded')).headers.get('etag') ?? ''
      assert.equal(await conditions({ 'if-none-match': `W/${latest}` }), 412)
      assert.equal(await conditions({ 'if-unmodified-since': new Date(0).toUTCString() }), 412)
      const remove = { method: 'DELETE', headers: { 'if-match': etag } }
      assert.equal((await ask('guarded', remove)).status, 412)
      assert.equal(await (await get('guarded')).text(), 'new')
    })

    test('of two concurrent creates, exactly one succeeds', async () => {
      for (let i = 0; i < 20; i++) {
        const headers = { 'if-none-match': '*' }
        const all = ['a', 'b', 'c'].map((body) => put(`race-${i}`, body.repeat(100_000), headers))
        const statuses = (await Promise.all(all)).map((answer) => answer.status)
        assert.deepEqual(statuses.sort(), [201, 412, 412])
      }
    })

    test('a body that is not the file itself is rejected', async () => {
      await put('meaning', 'before')
      const encoded = await put('meaning', 'x', { 'content-encoding': 'gzip' })
      assert.equal(encoded.status, 415)
      const partial = await put('meaning', 'x', { 'content-range': 'bytes 0-0/5' })
      assert.equal(partial.status, 400)
      assert.equal(await (await get('meaning')).text(), 'before')
      for (const type of ['application/json', 'text/plain', 'multipart/form-data', 'nonsense']) {
        assert.equal((await put('meaning', '{not json', { 'content-type': type })).status, 200)
      }
      assert.equal(await (await get('meaning')).text(), '{not json')
    })

    test('the content type follows from the name and is never executable', async () => {
      const types = { 'a.html': 'text/html', 'b.json': 'application/json', c: 'octet-stream' }
      for (const [name, type] of Object.entries(types)) {
        await put(name, 'x')
        const answer = await get(name)
        assert.match(answer.headers.get('content-type') ?? '', new RegExp(type))
        assert.equal(answer.headers.get('content-security-policy'), 'sandbox')
      }
    })

    test('a file that is replaced while it is read arrives as one version', async () => {
      await put('changing', 'a'.repeat(MIB / 2))
      const done = new AbortController()
      const writes = (async () => {
        for (let i = 0; !done.signal.aborted; i++) {
          await put('changing', (i % 2 ? 'a' : 'b').repeat(MIB / 2 - (i % 3)))
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      })()
      let cut = 0
      for (let i = 0; i < 50; i++) {
        const answer = await get('changing').catch(ignoreCut)
        const body = await answer?.text().catch(ignoreCut)
        if (answer === undefined || body === undefined) {
          cut += 1
          continue
        }
        assert.equal(answer.status, 200)
        assert.equal(body.length, Number(answer.headers.get('content-length')))
        assert.ok(/^(a+|b+)$/.test(body), 'two versions')
      }
      done.abort()
      await writes
      assert.ok(cut <= (served.mayCut ? 49 : 0), `${cut} were cut`)
    })

    test('methods that files do not have are refused with the ones that they have', async () => {
      for (const method of ['PATCH', 'OPTIONS']) {
        const answer = await ask('file', { method })
        assert.equal(answer.status, 405, method)
        assert.equal(answer.headers.get('allow'), 'GET, HEAD, PUT, DELETE')
      }
    })
  })
}

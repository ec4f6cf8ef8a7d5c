/** `/api/files`: what only the API of a node has; for the rest, file-contract.test.ts. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { API_KEY, startNodeApi } from '../fixtures/node-api-fixture.ts'
import type { NodeApiFixture } from '../fixtures/node-api-fixture.ts'
import { keyedFetch } from '../fixtures/keyed-fetch.ts'

const MIB = 1024 * 1024
const fetch = keyedFetch(API_KEY)

describe('/api/files', () => {
  let api: NodeApiFixture
  before(async () => {
    api = await startNodeApi({ maxUploadBytes: MIB })
  })
  after(() => api[Symbol.asyncDispose]())

  const put = (path: string, body: string | Buffer, headers = {}): Promise<Response> =>
    fetch(api.file(path), { method: 'PUT', body, headers })
  const get = (path: string, headers = {}): Promise<Response> => fetch(api.file(path), { headers })
  const errorOf = async (answer: Response): Promise<{ code: string; path?: string }> => {
    const { error } = (await answer.json()) as { error: { code: string; message: string } }
    assert.ok(error.message.length > 0)
    return error
  }

  test('GET returns the bytes of a PUT, with their headers', async () => {
    const data = randomBytes(300_000)
    const created = await put('new/folder/file.bin', data)
    assert.equal(created.status, 201)
    assert.deepEqual(await created.json(), { path: '/new/folder/file.bin', size: data.length })
    const answer = await get('new/folder/file.bin')
    assert.equal(answer.status, 200)
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), data)
    assert.equal(answer.headers.get('content-length'), '300000')
    assert.equal(answer.headers.get('etag'), created.headers.get('etag'))
    assert.equal(answer.headers.get('accept-ranges'), 'bytes')
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    assert.ok(Date.parse(answer.headers.get('last-modified') ?? '') > Date.now() - 60_000)
    const replaced = await put('new/folder/file.bin', 'short')
    assert.equal(replaced.status, 200)
    assert.notEqual(replaced.headers.get('etag'), created.headers.get('etag'))
    assert.equal(await (await get('new/folder/file.bin')).text(), 'short')
  })

  test('an empty body and no body create an empty file', async () => {
    await put('empty', '')
    const answer = await get('empty')
    assert.deepEqual([answer.status, answer.headers.get('content-length')], [200, '0'])
    assert.equal((await fetch(api.file('none'), { method: 'PUT' })).status, 201)
  })

  test('the size of a file is returned, also of a file named size', async () => {
    await put('sized', '12345')
    assert.deepEqual(await (await get('sized/size')).json(), { path: '/sized', size: 5 })
    await put('folder/size', 'a file of that name')
    assert.equal(await (await get('folder/size')).text(), 'a file of that name')
    assert.deepEqual(await (await get('folder/size/size')).json(), {
      path: '/folder/size',
      size: 19,
    })
    assert.equal((await get('nothing/size')).status, 404)
    await mkdir(join(api.directory, 'bare'))
    assert.equal((await get('bare/size')).status, 404)
  })

  test('a directory is listed as JSON or as lines', async () => {
    await put('list/b', 'x')
    await put('list/sub/c', 'x')
    for (const path of ['list', 'list/']) {
      const entries = (await (await get(path)).json()) as { name: string }[]
      entries.sort((a, b) => a.name.localeCompare(b.name))
      assert.deepEqual(entries, [
        { name: 'b', type: 'file' },
        { name: 'sub', type: 'directory' },
      ])
    }
    const lines = await get('list', { accept: 'application/x-ndjson' })
    assert.match(lines.headers.get('content-type') ?? '', /^application\/x-ndjson/)
    assert.equal((await lines.text()).trim().split('\n').length, 2)
    await mkdir(join(api.directory, 'list/empty'))
    assert.deepEqual(await (await get('list/empty')).json(), [])
    assert.equal((await get('')).status, 200)
  })

  test('paths are unescaped once, and unusual names work', async () => {
    const names = ['a b', 'ü', '%', '%2F', 'back\\slash', '..hidden', '...', 'q?x#y', '\'"<>', '-']
    for (const name of names) {
      const path = `odd/${encodeURIComponent(name)}`
      assert.equal((await put(path, name)).status, 201, name)
      assert.equal(await (await get(path)).text(), name)
    }
    assert.deepEqual((await readdir(join(api.directory, 'odd'))).sort(), [...names].sort())
  })

  test('paths below a file, and directories as files, are errors', async () => {
    await put('plain', 'x')
    assert.equal((await get('plain/below')).status, 404)
    assert.equal((await put('plain/below', 'x')).status, 409)
    await mkdir(join(api.directory, 'taken'))
    const answer = await put('taken', 'x')
    assert.deepEqual([answer.status, (await errorOf(answer)).code], [409, 'EISDIR'])
    assert.equal((await put('taken/', 'x')).status, 409)
    assert.equal((await put('new-with-slash/', 'x')).status, 409)
    assert.equal((await put('', 'x')).status, 409)
  })

  test('an upload over the limit is rejected, declared or not, and changes nothing', async () => {
    await put('limited', 'before')
    const declared = await put('limited', Buffer.alloc(MIB + 1))
    assert.deepEqual([declared.status, (await errorOf(declared)).code], [413, 'EFBIG'])
    const chunks = new ReadableStream({
      pull(controller) {
        controller.enqueue(Buffer.alloc(100_000))
      },
    })
    const init = { method: 'PUT', body: chunks, duplex: 'half' } as RequestInit
    const streamed = await fetch(api.file('limited'), init)
    assert.equal(streamed.status, 413)
    assert.equal(await (await get('limited')).text(), 'before')
    assert.equal((await put('limited', Buffer.alloc(MIB))).status, 200)
    assert.deepEqual(
      (await readdir(api.directory)).filter((name) => name.startsWith('.writing')),
      [],
    )
  })
})

/** HttpFS on plain web servers, with ranges and without. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import type { ContentOptions } from '../../src/filesystem/file-system.ts'
import { FileServer } from '../../src/filesystem/http/file-server.ts'
import { HttpFS } from '../../src/filesystem/http/http-fs.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { limits } from '../../src/limits.ts'
import { WrappedFS } from '../../src/filesystem/wrapped-fs.ts'
import { eventually } from '../fixtures/eventually.ts'
import { rawRequest } from '../fixtures/raw-request.ts'

type Pieces = AsyncGenerator<Uint8Array>
const TEXT = '0123456789'.repeat(100)

for (const hasRanges of [true, false]) {
  test(`a web server ${hasRanges ? 'with' : 'without'} ranges, no entity tags`, async () => {
    const modified = new Date(1_700_000_000_000).toUTCString()
    const server = createServer(({ method, url, headers }, reply) => {
      if (url !== '/files/a%20b.txt') return reply.writeHead(404).end('not here')
      const match = /bytes=(\d+)-(\d*)/.exec(headers.range ?? '')
      const [start, end] = [Number(match?.[1] ?? 0), Number(match?.[2] || TEXT.length - 1)]
      const isPart = hasRanges && match !== null
      const body = isPart ? TEXT.slice(start, end + 1) : TEXT
      const range = isPart ? { 'content-range': `bytes ${start}-${end}/${TEXT.length}` } : {}
      reply.writeHead(isPart ? 206 : 200, {
        ...{ 'content-length': body.length, 'last-modified': modified, ...range },
      })
      return reply.end(method === 'HEAD' ? undefined : body)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const files = new HttpFS(`http://127.0.0.1:${port}/files/`)
    const stats = await files.stat('/a b.txt')
    assert.deepEqual([stats.size, stats.mtimeMs], [TEXT.length, 1_700_000_000_000])
    assert.equal(await files.readFile('/a b.txt', 'utf8'), TEXT)
    await using handle = await files.open('/a b.txt')
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(5), 0, 5, 502)
    assert.deepEqual([buffer.toString(), bytesRead], ['23456', 5])
    await assert.rejects(files.readFile('/missing'), { code: 'ENOENT', path: '/missing' })
    await assert.rejects(files.mkdir('/new'), { code: 'EOPNOTSUPP' })
    server.close()
    server.closeAllConnections()
    await assert.rejects(files.stat('/a b.txt'), { code: 'EIO' })
  })
}

test('a part of another version is rejected, even if the server ignores conditions', async () => {
  const state = { text: 'first version', modifiedMs: 1_700_000_000_000 }
  const server = createServer(({ method, headers }, reply) => {
    const [, start = '0', end = ''] = /bytes=(\d+)-(\d*)/.exec(headers.range ?? '') ?? []
    const part = state.text.slice(Number(start), Number(end) + 1)
    const about = {
      'content-length': part.length,
      'content-range': `bytes ${start}-${end}/${state.text.length}`,
      'last-modified': new Date(state.modifiedMs).toUTCString(),
    }
    const whole = { ...about, 'content-length': state.text.length, 'content-range': '' }
    reply.writeHead(method === 'HEAD' ? 200 : 206, method === 'HEAD' ? whole : about)
    reply.end(method === 'HEAD' ? undefined : part)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const files = new HttpFS(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const { etag } = await files.stat('/file')
  const read = async (): Promise<string> => {
    const parts: Uint8Array[] = []
    const range = { start: 0, end: 4, ifMatch: etag }
    for await (const part of files.content('/file', range)) parts.push(part)
    return Buffer.concat(parts).toString()
  }
  assert.equal(await read(), 'first')
  Object.assign(state, { text: 'other content', modifiedMs: state.modifiedMs + 5000 })
  await assert.rejects(read(), { code: 'ESTALE' })
  server.close()
  server.closeAllConnections()
})

test('a FileServer with a key serves only requests with that key', async () => {
  const memory = new MemoryFS()
  await memory.writeFile('/file', 'secret')
  await using server = await FileServer.listen(memory, { apiKey: 'the key' })
  const options = { operations: true, apiKey: 'the key' }
  assert.equal(await new HttpFS(server.url, options).readFile('/file', 'utf8'), 'secret')
  for (const apiKey of [undefined, '', 'another', 'the ke']) {
    const stranger = new HttpFS(server.url, { operations: true, apiKey })
    await assert.rejects(stranger.readFile('/file'), { code: 'EACCES' }, apiKey)
    await assert.rejects(stranger.readdir('/'), { code: 'EACCES' })
    await assert.rejects(stranger.writeFile('/file', 'x'.repeat(1e6)), { code: 'EACCES' })
  }
  assert.equal((await fetch(`${server.url}/file`)).status, 401)
  assert.equal(await memory.readFile('/file', 'utf8'), 'secret')
  await assert.rejects(FileServer.listen(memory, { apiKey: '' }), { code: 'EINVAL' })
})

test('a FileServer rejects unsupported codings and survives odd requests', async () => {
  const memory = new MemoryFS()
  await memory.writeFile('/file', 'old')
  await using server = await FileServer.listen(memory)
  const port = Number(new URL(server.url).port)
  const ask = async (line: string, headers: string, body: string): Promise<number> => {
    const head = `${line}\r\nHost: x\r\nConnection: close\r\n${headers}\r\n\r\n`
    const answer = await rawRequest(port, head + body)
    return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
  }
  const put = 'PUT /file HTTP/1.1'
  const chunks = '5\r\nhello\r\n0\r\n\r\n'
  assert.equal(await ask(put, 'Transfer-Encoding: gzip, chunked', chunks), 501)
  assert.equal(await ask(put, 'Content-Encoding: gzip\r\nContent-Length: 5', 'hello'), 415)
  assert.equal(await ask(put, 'Content-Range: bytes 0-4/5\r\nContent-Length: 5', 'hello'), 400)
  assert.equal(await ask('GET // HTTP/1.1', 'Accept: */*', ''), 400)
  assert.equal(await ask('TRACE /file HTTP/1.1', 'Accept: */*', ''), 405)
  assert.equal(await memory.readFile('/file', 'utf8'), 'old')
})

test('a FileServer reads no more of a file than its clients take', async () => {
  const pieces = { sent: 0, open: 0 }
  class CountedFS extends WrappedFS {
    protected override async *pieces(path: string, options: ContentOptions): Pieces {
      pieces.open++
      try {
        for await (const piece of super.pieces(path, options)) {
          pieces.sent++
          yield piece
        }
      } finally {
        pieces.open--
      }
    }
  }
  const memory = new MemoryFS()
  await memory.writeFile('/file', Buffer.alloc(32 * 1024 ** 2))
  const count = (32 * 1024 ** 2) / limits.fileReadBytes
  await using server = await FileServer.listen(new CountedFS(memory))
  const sockets: Socket[] = []
  for (let at = 0; at < 20; at++) {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    sockets.push(socket.on('error', () => undefined))
    socket.write('GET /file HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'readable')
  }
  const answer = await fetch(`${server.url}/file`)
  assert.equal((await answer.arrayBuffer()).byteLength, 32 * 1024 ** 2)
  assert.equal(pieces.open, sockets.length)
  assert.ok(pieces.sent < (count * sockets.length) / 2, `${pieces.sent} pieces were read`)
  for (const socket of sockets) socket.destroy()
  await eventually('files are closed when their clients have gone', () => pieces.open === 0)
})

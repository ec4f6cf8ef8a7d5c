/** HttpFS against servers that are not its own: plain web servers, with ranges and without. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { HttpFS } from '../../src/filesystem/http/http-fs.ts'

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

/** `/api/files` of a real node as a file system, and as the remote of a cache. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { HttpFS } from '../../src/filesystem/http/http-fs.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { RemoteHome, digests } from '../fixtures/mounted-remote.ts'
import { withFuse } from './fuse-scratch.ts'

const API_KEY = 'a-key-for-this-test'
const LARGE = randomBytes(6 * 1024 * 1024 + 5)

suite("a node's API as a file system", { ...withFuse, timeout: 120_000 }, () => {
  test('HttpFS and the mount see the same files; a cache before it; a mount of it', async () => {
    using home = new ClientHome()
    const node = await ClientProcess.start(home, { flags: ['-api-key', API_KEY] })
    const url = `${node.api}/api/files`
    const remote = new HttpFS(url, { apiKey: API_KEY })
    await mkdir(join(home.mount, 'folder'))
    await writeFile(join(home.mount, 'folder/large'), LARGE)

    assert.deepEqual(await remote.readdir('/'), ['folder'])
    const { size, etag } = await remote.stat('/folder/large')
    assert.equal(size, LARGE.length)
    const parts: Uint8Array[] = []
    const range = { start: 4_194_300, end: 4_194_310, ifMatch: etag }
    for await (const piece of remote.content('/folder/large', range)) parts.push(piece)
    assert.deepEqual(Buffer.concat(parts), LARGE.subarray(4_194_300, 4_194_311))
    await remote.writeFile('/folder/small', 'from the API')
    assert.equal(await readFile(join(home.mount, 'folder/small'), 'utf8'), 'from the API')
    await remote.unlink('/folder/small')
    assert.deepEqual(await readdir(join(home.mount, 'folder')), ['large'])
    await assert.rejects(remote.readFile('/folder/small'), { code: 'ENOENT' })
    const stranger = new HttpFS(url, { apiKey: 'another' })
    await assert.rejects(stranger.readFile('/folder/large'), { code: 'EACCES' })

    {
      await using files = new CacheFS(new MemoryFS(), remote)
      assert.deepEqual(await files.readFile('/folder/large'), LARGE)
      await files.writeFile('/folder/cached', 'by the cache')
      await files.wait()
      assert.deepEqual(files.errors(), [])
    }
    assert.equal(await readFile(join(home.mount, 'folder/cached'), 'utf8'), 'by the cache')

    using mounted = new RemoteHome()
    const flags = ['--remote', url, '--api-key', API_KEY]
    const mount = await mounted.start(flags)
    assert.deepEqual(digests(mounted.mount), digests(home.mount))
    await writeFile(join(mounted.mount, 'folder/mounted'), 'by the mount')
    assert.equal(await mount.stop(), 0, mount.stderr)
    assert.equal(await readFile(join(home.mount, 'folder/mounted'), 'utf8'), 'by the mount')
    assert.equal(await node.stop(), 0)
  })
})

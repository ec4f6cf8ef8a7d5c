/**
 * `cachefs mount` of an Azure container, a web server over HTTPS, and an unavailable bucket: real
 * mounts and servers; the plain SDK reads the results back, compared by checksum.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { S3FS } from '../../src/filesystem/s3/s3-fs.ts'
import { startAzureServer } from '../fixtures/azure-server.ts'
import { eventually } from '../fixtures/eventually.ts'
import { RemoteHome, digests } from '../fixtures/mounted-remote.ts'
import { startS3Server } from '../fixtures/s3-server.ts'
import { WebServer } from '../fixtures/web-server.ts'
import { withFuse } from './fuse-scratch.ts'

const LARGE = randomBytes(17 * 1024 * 1024 + 3)
const LAST = 'a folder/none'
const options = { ...withFuse, timeout: 240_000 }

async function makeTree(folder: string): Promise<void> {
  await mkdir(join(folder, 'a folder/deeper'), { recursive: true })
  await writeFile(join(folder, 'a folder/large.bin'), LARGE)
  await writeFile(join(folder, 'a folder/deeper/ä & ö %41.txt'), 'a name that has to be escaped')
  await writeFile(join(folder, 'a folder/none'), '')
}

suite('a container of Azure mounted', options, () => {
  test('plain blobs; a cache that lasts; what others put there appears', async () => {
    await using server = await startAzureServer()
    using home = new RemoteHome()
    const { account, key, container, endpoint } = server.options
    const keys = { AZURE_STORAGE_ACCOUNT: account, AZURE_STORAGE_KEY: key }
    const flags = ['--remote', `az://${container}/team/files`, '--azure-endpoint', endpoint]
    const first = await home.start(flags, keys)
    await makeTree(home.mount)
    await rename(join(home.mount, 'a folder'), join(home.mount, 'b'))
    const expected = digests(home.mount)
    assert.equal(await first.stop(), 0, first.stderr)
    assert.doesNotMatch(first.stderr, /WARN|ERROR/)
    const blobs: Record<string, string> = {}
    for await (const { name } of server.container().listBlobsFlat({ prefix: 'team/files/' })) {
      const bytes = await server.container().getBlobClient(name).downloadToBuffer()
      const path = name.slice('team/files/'.length)
      if (!path.endsWith('/')) blobs[path] = createHash('sha256').update(bytes).digest('hex')
    }
    assert.deepEqual(sorted(blobs), sorted(expected))

    await server.stop()
    const second = await home.start(flags, keys)
    assert.match(second.stderr, /does not answer/)
    assert.deepEqual(digests(home.mount), expected, 'read while the container is away')
    await server.start()
    assert.equal(await second.stop(), 0, second.stderr)

    const third = await home.start([...flags, '--ttl', '1s'], keys)
    const blob = server.container().getBlockBlobClient('team/files/b/from-elsewhere')
    await blob.upload('put by another tool', 19)
    const path = join(home.mount, 'b/from-elsewhere')
    await eventually('a new blob appears', () => holds(path, 'put by another tool'))
    assert.equal(await third.stop(), 0, third.stderr)

    const wrong = home.fail('--local', `${home.local}2`, '--remote', 'az://none', home.mount)
    assert.deepEqual([wrong.status, /AZURE_STORAGE_ACCOUNT/.test(wrong.stderr)], [2, true])
  })
})

suite('a web server mounted', options, () => {
  test('listed, read in ranges and only once; another version is never mixed with it', async () => {
    using home = new RemoteHome()
    await makeTree(home.remote)
    await using server = await WebServer.start(home.remote)
    const environment = { NODE_EXTRA_CA_CERTS: server.certificate }
    const flags = ['--remote', `${server.url}/a%20folder`]
    const first = await home.start([...flags, '--ttl', '1h'], environment)
    const expected = await digestsOf(join(home.remote, 'a folder'))
    assert.deepEqual(await digestsOf(home.mount), expected)
    assert.deepEqual((await readdir(home.mount)).sort(), ['deeper', 'large.bin', 'none'])
    assert.equal((await stat(join(home.mount, 'large.bin'))).size, LARGE.length)
    const parts = server.requests.filter((it) => it.startsWith('GET /a%20folder/large.bin bytes='))
    assert.equal(parts.length, Math.ceil(LARGE.length / (4 * 1024 * 1024)), parts.join())
    await server.stop()
    assert.deepEqual(await digestsOf(home.mount), expected, 'without the server')
    await server.start()
    assert.equal(await first.stop(), 0, first.stderr)

    const second = await home.start([...flags, '--ttl', '1s'], environment)
    const other = randomBytes(LARGE.length)
    await writeFile(join(home.remote, 'a folder/large.bin'), other)
    await utimes(join(home.remote, 'a folder/large.bin'), 1_800_000_000, 1_800_000_000)
    const path = join(home.mount, 'large.bin')
    await eventually('the new version', async () => (await readFile(path)).equals(other))
    await assert.rejects(readFile(join(home.mount, 'missing')), { code: 'ENOENT' })
    assert.equal(await second.stop(), 0, second.stderr)
  })
})

suite('a bucket that is away', options, () => {
  test('new files and folders where the old lists may be served', async () => {
    await using server = await startS3Server({ lenient: true })
    using home = new RemoteHome()
    const { bucket, endpoint, accessKeyId = '', secretAccessKey = '' } = server.options
    const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    const remote = ['--remote', `s3://${bucket}/files`, '--s3-endpoint', endpoint]
    const flags = [...remote, '--ttl', '1s', '--stale-if-error', '1d']
    const first = await home.start(flags, keys)
    await makeTree(home.mount)
    await readdir(home.mount)
    await readdir(join(home.mount, 'a folder'))
    const files = new S3FS({ ...server.options, prefix: 'files' })
    await eventually('it is in the bucket', async () => (await names(files)).includes(LAST))
    await server.stop()
    await delay(2_000)
    await mkdir(join(home.mount, 'a folder/made offline'))
    await writeFile(join(home.mount, 'a folder/made offline/file'), 'written offline')
    await writeFile(join(home.mount, 'top'), 'written offline, too')
    await rename(join(home.mount, 'top'), join(home.mount, 'a folder/top'))
    const expected = digests(home.mount)
    await first.stop('SIGKILL')
    const second = await home.start(flags, keys)
    assert.deepEqual(digests(home.mount), expected, 'after a crash, still offline')
    await server.start()
    assert.equal(await second.stop(), 0, second.stderr)
    using fresh = new RemoteHome()
    const third = await fresh.start(remote, keys)
    assert.deepEqual(digests(fresh.mount), expected, 'as another machine sees it')
    assert.equal(await third.stop(), 0, third.stderr)
  })
})

suite('a remote that is not there', options, () => {
  test('is refused, and nothing is bound to it; --create makes it', async () => {
    await using server = await startS3Server()
    const { endpoint, accessKeyId = '', secretAccessKey = '' } = server.options
    const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    using home = new RemoteHome()
    const absent = join(home.directory, 'absent/folder')
    const bucket = ['--remote', 's3://made-new/team', '--s3-endpoint', endpoint]
    for (const [flags, message] of [
      [bucket, /no such bucket: made-new\. Create it with --create/],
      [['--remote', `file://${absent}`], /there is no folder .*absent\/folder: .* --create/],
      [
        ['--remote', 's3://b', '--s3-endpoint', 'http://127.0.0.1:9'],
        /connection to 127\.0\.0\.1:9 refused/,
      ],
      [['--remote', 'http://127.0.0.1:9/files'], /no answer from 127\.0\.0\.1:9/],
    ] as [string[], RegExp][]) {
      await assert.rejects(home.start(flags, keys), message)
      await assert.rejects(stat(home.local), { code: 'ENOENT' })
      await assert.rejects(stat(absent), { code: 'ENOENT' })
    }
    const mounted = await home.start([...bucket, '--create'], keys)
    await writeFile(join(home.mount, 'file'), 'of a new bucket')
    assert.equal(await mounted.stop(), 0, mounted.stderr)
    const files = new S3FS({ ...server.options, bucket: 'made-new' })
    assert.equal(await files.readFile('/team/file', 'utf8'), 'of a new bucket')
    using other = new RemoteHome()
    const folder = await other.start(['--remote', `file://${absent}`, '--create'])
    assert.equal(await folder.stop(), 0, folder.stderr)
    assert.ok((await stat(absent)).isDirectory())
  })
})

/** As `digests`, asynchronous because the server runs in this process. */
async function digestsOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const file of files.filter((it) => it.isFile())) {
    const path = join(file.parentPath, file.name)
    const digest = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
    found[relative(folder, path)] = digest
  }
  return found
}

async function holds(path: string, text: string): Promise<boolean> {
  return (await readFile(path, 'utf8').catch(() => undefined)) === text
}

async function names(files: S3FS): Promise<string[]> {
  return await files.readdir('/', { recursive: true })
}

function sorted(digestByPath: Record<string, string>): [string, string][] {
  return Object.entries(digestByPath).sort(([a], [b]) => (a < b ? -1 : 1))
}

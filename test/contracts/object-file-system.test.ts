/** The file system contract on existing buckets of real servers, with a prefix per test. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { AzureFS } from '../../src/filesystem/azure/azure-fs.ts'
import type { FileSystem } from '../../src/filesystem/file-system.ts'
import { S3FS } from '../../src/filesystem/s3/s3-fs.ts'
import { filesystemLimits } from '../../src/filesystem/limits.ts'
import { startAzureServer } from '../fixtures/azure-server.ts'
import type { AzureServer } from '../fixtures/azure-server.ts'
import type { FileSystemFixture } from '../fixtures/file-system-fixture.ts'
import { startS3Server } from '../fixtures/s3-server.ts'
import type { S3Server } from '../fixtures/s3-server.ts'
import { contentTests } from './file-system/content.ts'
import { handleTests } from './file-system/handles.ts'
import { linkTests } from './file-system/links.ts'
import { nameTests } from './file-system/names.ts'

const MIB = 1024 * 1024
let prefixes = 0

async function checkLarge(files: FileSystem): Promise<void> {
  const part = Buffer.alloc(filesystemLimits.objectPartBytes / 2, 'cachefs ')
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 5; i++) yield part
  }
  const stats = await files.replace('/large', source())
  assert.equal(stats.size, 5 * part.length)
  assert.equal((await files.stat('/large')).etag, stats.etag)
  let size = 0
  for await (const piece of files.content('/large')) size += piece.length
  assert.equal(size, 5 * part.length)
}

function contract(open: (prefix: string) => FileSystem): void {
  const fixture = async (): Promise<FileSystemFixture> => ({
    files: open(`t${++prefixes}/in`),
    [Symbol.asyncDispose]: async () => undefined,
  })
  for (const tests of [nameTests, contentTests, handleTests, linkTests]) tests.runOn(fixture)

  test('objects of other tools, without directories or attributes', async () => {
    const others = open('')
    const name = `/o${++prefixes}`
    await others.mkdir(name)
    await others.mkdir(`${name}/deep`)
    await others.writeFile(`${name}/deep/file`, 'theirs')
    await others.rmdir(`${name}/deep`).catch(() => undefined)
    const files = open(name)
    assert.deepEqual(await files.readdir('/'), ['deep'])
    assert.equal(await files.readFile('/deep/file', 'utf8'), 'theirs')
  })
}

describe('the file system contract: S3FS', () => {
  let server: S3Server
  before(async () => {
    server = await startS3Server()
  })
  after(() => server[Symbol.asyncDispose]())
  contract((prefix) => new S3FS({ ...server.options, prefix }))
})

describe('the file system contract: AzureFS', () => {
  let server: AzureServer
  before(async () => {
    server = await startAzureServer()
  })
  after(() => server[Symbol.asyncDispose]())
  contract((prefix) => new AzureFS({ ...server.options, prefix }))
})

test('keys that are no valid paths are hidden but never lost', async () => {
  await using azure = await startAzureServer()
  const keys = ['k/a//b', 'k/both', 'k/both/child', 'k/mark', 'k/mark/', `k/${'n'.repeat(300)}`]
  const put = async (key: string): Promise<void> => {
    await azure.container().getBlockBlobClient(key).upload(key, key.length)
  }
  for (const key of keys) await put(key)
  const files = new AzureFS(azure.options)
  assert.deepEqual((await files.readdir('/k')).sort(), ['a', 'both', 'mark'])
  assert.deepEqual(await files.readdir('/k/a'), [])
  assert.equal(await files.readFile('/k/both', 'utf8'), 'k/both')
  await assert.rejects(files.rmdir('/k/a'), { code: 'ENOTEMPTY' })
  await files.rename('/k', '/moved')
  const found: string[] = []
  for await (const { name } of azure.container().listBlobsFlat()) found.push(name)
  assert.deepEqual(found.sort(), keys.map((key) => key.replace('k/', 'moved/')).sort())
})

async function checkCopies(files: FileSystem): Promise<void> {
  const content = randomBytes(3 * MIB + 5)
  await files.mkdir('/a folder/deep', { recursive: true })
  await files.writeFile('/a folder/deep/lärge &', content, { mode: 0o640 })
  await files.rename('/a folder/deep/lärge &', '/a folder/moved')
  await files.chmod('/a folder/moved', 0o600)
  await files.rename('/a folder', '/other')
  const { mode, size } = await files.stat('/other/moved')
  assert.deepEqual([mode & 0o777, size], [0o600, content.length])
  assert.deepEqual(await files.readFile('/other/moved'), content)
  assert.deepEqual((await files.readdir('/', { recursive: true })).sort(), [
    'other',
    'other/deep',
    'other/moved',
  ])
}

describe('an object that is too large to copy in one request', () => {
  before(() => void Object.assign(filesystemLimits, { objectCopyBytes: MIB }))
  after(() => void Object.assign(filesystemLimits, { objectCopyBytes: 512 * MIB }))

  test('on S3, it is copied in parts, with the headers of other tools', async () => {
    await using s3 = await startS3Server({ lenient: true })
    const { endpoint, bucket, accessKeyId = '', secretAccessKey = '' } = s3.options
    const files = new S3FS(s3.options)
    await checkCopies(files)
    const client = new S3Client({
      ...{ endpoint, region: 'us-east-1', forcePathStyle: true },
      credentials: { accessKeyId, secretAccessKey },
    })
    const Bucket = bucket
    for (const size of [100, 2 * MIB + 1]) {
      const Metadata = { owner: 'somebody', mode: '33188' }
      const about = { ContentType: 'image/png', CacheControl: 'max-age=60' }
      const put = { Bucket, Key: 'picture', Body: randomBytes(size), Metadata, ...about }
      await client.send(new PutObjectCommand(put))
      await files.rename('/picture', '/renamed')
      await files.chmod('/renamed', 0o600)
      const found = await client.send(new HeadObjectCommand({ Bucket, Key: 'renamed' }))
      assert.deepEqual([found.ContentType, found.CacheControl], ['image/png', 'max-age=60'])
      const { owner, mode } = found.Metadata ?? {}
      assert.deepEqual([owner, Number(mode) & 0o777], ['somebody', 0o600])
    }
    client.destroy()
  })

  test('on Azure, it is copied in one request', async () => {
    await using azure = await startAzureServer()
    await checkCopies(new AzureFS(azure.options))
  })
})

test('a large file is uploaded in parts and reads back', async () => {
  // The multipart uploads of s3rver lack the checks that the strict server adds.
  await using s3 = await startS3Server({ lenient: true })
  await checkLarge(new S3FS(s3.options))
  await using azure = await startAzureServer()
  await checkLarge(new AzureFS(azure.options))
})

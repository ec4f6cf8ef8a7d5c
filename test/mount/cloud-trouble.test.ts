/**
 * Outages of the cloud during writes, and damaged objects: writers wait at the bound of the
 * backlog, no data is lost, and no program reads wrong bytes.
 */
import assert from 'node:assert/strict'
import {
  globSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  openSync,
  writeSync,
  closeSync,
} from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ClientHome, ClientProcess, type ClientOptions } from '../fixtures/client-process.ts'
import { startFaultProxy } from '../fixtures/fault-proxy.ts'
import { Random } from '../fixtures/random.ts'
import { startS3Server } from '../fixtures/s3-server.ts'
import { BlockingWriter } from './blocking-writer.ts'

const MIB = 1024 * 1024

interface Outage {
  begin(): void
  end(): void
}

/**
 * Writes more than the bound during an outage, and checks that all of it is uploaded afterwards.
 */
async function writeThrough(home: ClientHome, options: ClientOptions, outage: Outage) {
  const flags = [...(options.flags ?? []), '-chunk-size', '1', '-max-unsynced-bytes', '8M']
  const client = await ClientProcess.start(home, { ...options, flags })
  const source = join(home.directory, 'source')
  const data = new Random(7).bytes(24 * MIB)
  writeFileSync(source, data)
  const path = (name: string): string => join(home.mount, name)
  await writeFile(path('before'), data.subarray(0, 3 * MIB))
  await client.act('wait', '/')

  outage.begin()
  await writeFile(path('within'), data.subarray(0, 4 * MIB))
  assert.deepEqual(await readFile(path('within')), data.subarray(0, 4 * MIB))
  const writer = new BlockingWriter(source, path('beyond'), 24)
  const impatient = new BlockingWriter(source, path('given-up'), 24)
  await delay(2000)
  assert.equal(writer.ended, false, 'held back at the bound')
  assert.deepEqual(await readFile(path('before')), data.subarray(0, 3 * MIB), 'reads go on')
  const missing = await client.fetch(`${client.api}/api/missing`)
  assert.deepEqual(await missing.json(), { files: [], more: false }, 'this node has all of it')
  impatient.interrupt()
  assert.match(await impatient.result(), /SIGINT/)

  outage.end()
  assert.equal(await writer.result(), '')
  await client.act('wait', '/')
  await client.act('evict', '/')
  await client.kill()
  const again = await ClientProcess.start(home, { ...options, flags })
  assert.deepEqual(await readFile(path('before')), data.subarray(0, 3 * MIB))
  assert.deepEqual(await readFile(path('within')), data.subarray(0, 4 * MIB))
  assert.deepEqual(await readFile(path('beyond')), data)
  assert.equal(await again.stop(), 0)
}

test('the directory that is the cloud goes away', { timeout: 120_000 }, async () => {
  using home = new ClientHome()
  const away = `${home.cloud}-away`
  await writeThrough(
    home,
    {},
    {
      begin: () => {
        renameSync(home.cloud, away)
      },
      end: () => {
        renameSync(away, home.cloud)
      },
    },
  )
})

test('who waits hears from the node before anything is durable', { timeout: 60_000 }, async () => {
  using home = new ClientHome()
  const away = `${home.cloud}-away`
  const client = await ClientProcess.start(home)
  renameSync(home.cloud, away)
  await writeFile(join(home.mount, 'file'), 'x')
  const answer = await client.fetch(`${client.api}/api/wait`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ paths: ['/'] }),
    signal: AbortSignal.timeout(20_000),
  })
  renameSync(away, home.cloud)
  const lines = (await answer.text()).trimEnd().split('\n')
  assert.match(lines[0] ?? '', /"doneFiles":0,/)
  assert.match(lines.at(-1) ?? '', /"doneFiles":1,.*"done":true/)
  assert.equal(await client.stop(), 0)
})

test('an S3 server that answers nothing but 503', { timeout: 120_000 }, async () => {
  using home = new ClientHome()
  await using s3 = await startS3Server()
  await using proxy = await startFaultProxy(s3.options.endpoint)
  const { bucket, accessKeyId = '', secretAccessKey = '' } = s3.options
  const flags = ['-cloud-provider', 's3', '-s3-bucket', bucket, '-s3-endpoint', proxy.endpoint]
  const environment = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
  await writeThrough(
    home,
    { flags, environment },
    {
      begin: () => {
        proxy.fault = 'busy'
      },
      end: () => {
        proxy.fault = 'none'
      },
    },
  )
})

/** Kinds of damage to an object in the bucket. */
const DAMAGES: [name: string, damage: (path: string) => void][] = [
  [
    'a bit is flipped',
    (path) => {
      const bytes = readFileSync(path)
      bytes[bytes.length >> 1]! ^= 4
      writeFileSync(path, bytes)
    },
  ],
  ['cut short', (path) => truncateSync(path, 1000)],
  ['empty', (path) => truncateSync(path, 0)],
  ['gone', (path) => rmSync(path)],
  ['garbage of another length', (path) => writeFileSync(path, new Random(1).bytes(3 * MIB))],
]

test('damaged chunks in the bucket are never read', { timeout: 60_000 }, async (t) => {
  using home = new ClientHome()
  const first = await ClientProcess.start(home, { flags: ['-chunk-size', '1'] })
  const data = new Random(3).bytes(3 * MIB)
  const paths = DAMAGES.map((_, at) => join(home.mount, `file-${at}`))
  for (const path of paths) await writeFile(path, data)
  await writeFile(join(home.mount, 'whole'), data)
  const inodes = paths.map((path) => statSync(path).ino)
  await first.act('wait', '/')
  await first.act('evict', '/')
  // The kernel also caches the bytes until it is unmounted.
  assert.equal(await first.stop(), 0)
  const objects = globSync('chunks/**/*', { cwd: home.cloud, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  DAMAGES.forEach(([, damage], at) => {
    const middle = objects.filter((path) => path.includes(`/${inodes[at]}/1-`))
    assert.equal(middle.length, 1)
    damage(middle[0]!)
  })
  const client = await ClientProcess.start(home)
  assert.deepEqual(await readFile(join(home.mount, 'whole')), data)
  for (const [at, [name]] of DAMAGES.entries()) {
    await t.test(name, () => readAndHeal(paths[at]!, data))
  }
  assert.match(client.log.join(''), /is damaged/)
  assert.equal(await client.stop(), 0)
})

async function readAndHeal(path: string, data: Buffer): Promise<void> {
  await assert.rejects(readFile(path), { code: 'EIO' })
  const fd = openSync(path, 'r+')
  assert.throws(() => writeSync(fd, data, 0, 10, MIB + 5), { code: 'EIO' })
  // A complete overwrite of a chunk needs none of its old bytes.
  assert.equal(writeSync(fd, data, MIB, MIB, MIB), MIB)
  closeSync(fd)
  assert.deepEqual(await readFile(path), data)
}

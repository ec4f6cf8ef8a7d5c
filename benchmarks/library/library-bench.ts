/**
 * `make bench-library`: compares the library (a `CacheFS` of a directory and a bucket, with a
 * journal) with `LocalFS`, `node:fs/promises` and the bare SDK. All take turns in each round, so
 * that other load on the machine affects all; the median of the rounds is shown as a ratio to the
 * first column. The bucket is on a test S3 server on this machine: rows that use it compare the
 * work of the programs, not networks.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { LocalFS } from '../../src/filesystem/local/local-fs.ts'
import { S3FS } from '../../src/filesystem/s3/s3-fs.ts'
import { startS3Server } from '../../test/fixtures/s3-server.ts'
import { median } from '../median.ts'

const ROUNDS = 5
const FILES = 200
const LARGE = randomBytes(64 * 1024 * 1024)
const SMALL = randomBytes(4096)
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const LARGE_DIGEST = digest(LARGE)

type Target = 'CacheFS' | 'LocalFS' | 'node:fs' | 'bare SDK'
type Work = (round: number) => Promise<void>

interface Row {
  about: string
  /** Units processed by one run: bytes or operations. */
  count: number
  unit: 'MB/s' | 'op/s'
  /** The first one is the reference. */
  works: Partial<Record<Target, Work>>
}

async function time(work: () => Promise<void>): Promise<number> {
  const beganMs = performance.now()
  await work()
  return performance.now() - beganMs
}

const root = await fs.mkdtemp(join(tmpdir(), 'cachefs-bench-'))
const place = (name: string): string => join(root, name)
for (const name of ['cache', 'local', 'node']) await fs.mkdir(place(name))
await using server = await startS3Server({ lenient: true })
const { endpoint, bucket: Bucket, accessKeyId = '', secretAccessKey = '' } = server.options
const client = new S3Client({
  ...{ endpoint, region: 'us-east-1', forcePathStyle: true },
  credentials: { accessKeyId, secretAccessKey },
})
const cache = await CacheFS.open(new LocalFS(place('cache')), new S3FS(server.options), {
  journal: true,
  ttlMs: 3_600_000,
})
const local = new LocalFS(place('local'))
const names = Array.from({ length: FILES }, (_, n) => `small-${n}`)

async function each(work: (name: string) => Promise<unknown>): Promise<void> {
  for (const name of names) await work(name)
}

async function get(Key: string): Promise<Uint8Array> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
  return (await Body?.transformToByteArray()) ?? new Uint8Array()
}

const put = (Key: string, Body: Uint8Array): Promise<unknown> => {
  return client.send(new PutObjectCommand({ Bucket, Key, Body }))
}

function checked(read: () => Promise<Uint8Array>): Work {
  return async () => assert.equal(digest(await read()), LARGE_DIGEST)
}

await put('large', LARGE)
await each((name) => put(name, SMALL))
await local.writeFile('/large', LARGE)
await fs.writeFile(place('node/large'), LARGE)
await each((name) => local.writeFile(`/${name}`, SMALL))
await each((name) => fs.writeFile(place(`node/${name}`), SMALL))

const cold = async (): Promise<void> => {
  await cache.wait()
  await cache.clear()
}

const ROWS: [row: Row, prepare?: () => Promise<void>][] = [
  [
    {
      about: 'read 64 MiB, warm',
      ...{ count: LARGE.length, unit: 'MB/s' },
      works: {
        LocalFS: checked(() => local.readFile('/large')),
        CacheFS: checked(() => cache.readFile('/large')),
        'node:fs': checked(() => fs.readFile(place('node/large'))),
      },
    },
    () => cache.readFile('/large').then(() => undefined),
  ],
  [
    {
      about: 'read 4 KiB, warm',
      ...{ count: FILES, unit: 'op/s' },
      works: {
        LocalFS: () => each((name) => local.readFile(`/${name}`)),
        CacheFS: () => each((name) => cache.readFile(`/${name}`)),
        'node:fs': () => each((name) => fs.readFile(place(`node/${name}`))),
      },
    },
    () => each((name) => cache.readFile(`/${name}`)),
  ],
  [
    {
      about: 'stat, warm',
      ...{ count: FILES, unit: 'op/s' },
      works: {
        LocalFS: () => each((name) => local.stat(`/${name}`)),
        CacheFS: () => each((name) => cache.stat(`/${name}`)),
        'node:fs': () => each((name) => fs.stat(place(`node/${name}`))),
      },
    },
    () => each((name) => cache.readFile(`/${name}`)),
  ],
  [
    {
      about: 'read 64 MiB, cold',
      ...{ count: LARGE.length, unit: 'MB/s' },
      works: {
        'bare SDK': checked(() => get('large')),
        CacheFS: checked(() => cache.readFile('/large')),
      },
    },
    cold,
  ],
  [
    {
      about: 'read 4 KiB, cold',
      ...{ count: FILES, unit: 'op/s' },
      works: {
        'bare SDK': () => each(get),
        CacheFS: () => each((name) => cache.readFile(`/${name}`)),
      },
    },
    cold,
  ],
  [
    {
      about: 'write 4 KiB, until the call returns',
      ...{ count: FILES, unit: 'op/s' },
      works: {
        LocalFS: (round) => each((name) => local.writeFile(`/${round}-${name}`, SMALL)),
        'bare SDK': (round) => each((name) => put(`${round}-sdk-${name}`, SMALL)),
        // Last, so that its background uploads do not slow down the others.
        CacheFS: (round) => each((name) => cache.writeFile(`/${round}-${name}`, SMALL)),
      },
    },
    // In a listed directory: otherwise the remote is asked whether the name exists.
    () =>
      cache
        .wait()
        .then(() => cache.readdir('/'))
        .then(() => undefined),
  ],
]

console.log('| workload | reference | CacheFS | beside |')
console.log('| --- | ---: | ---: | ---: |')
for (const [{ about, count, unit, works }, prepare] of ROWS) {
  const took = new Map<string, number[]>()
  for (let round = 0; round < ROUNDS; round++) {
    await prepare?.()
    for (const [target, work] of Object.entries(works)) {
      took.set(target, [...(took.get(target) ?? []), await time(() => work(round))])
    }
  }
  const [reference = ''] = took.keys()
  const inOrder = [...took].sort(([a], [b]) => Number(b === 'CacheFS') - Number(a === 'CacheFS'))
  inOrder.sort(([a], [b]) => Number(b === reference) - Number(a === reference))
  const cells = inOrder.map(([target, times]) => {
    const ratios = times.map((ms, round) => (took.get(reference)?.[round] ?? 0) / ms)
    const perSecond = count / (median(times) / 1000) / (unit === 'MB/s' ? 1e6 : 1)
    const speed = `${perSecond.toFixed(0)} ${unit}`
    if (target === reference) return `${target}: ${speed}`
    const ratio = `${median(ratios).toFixed(2)} (${speed})`
    return target === 'CacheFS' ? ratio : `${target}: ${ratio}`
  })
  console.log(`| ${[about, ...cells].join(' | ')}${cells.length === 2 ? ' |' : ''} |`)
}
await cache.close()
client.destroy()
await fs.rm(root, { recursive: true })

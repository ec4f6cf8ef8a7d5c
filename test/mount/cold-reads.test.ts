/**
 * Cold reads through the mount, from a real S3 server: a small read gets its bytes without the
 * whole chunk, a sequential reader gets the chunks, random reads do not fetch the whole file, and
 * the bytes are right in any order and with damage.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { globSync } from 'node:fs'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { Random } from '../fixtures/random.ts'
import { startS3Server, type S3Server } from '../fixtures/s3-server.ts'

const MIB = 1024 * 1024
const SIZE = 64 * MIB + 12_345
const CHUNKS = 17

const random = Random.fromEnvironment()
console.log(`CACHEFS_SEED=${random.seed}`)
const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

interface CacheStats {
  cloudChunks: number
  cloudRanges: number
  cloudBytes: number
}

let s3: S3Server
let home: ClientHome
let client: ClientProcess
let data: Buffer
before(async () => {
  s3 = await startS3Server()
  home = new ClientHome()
  const { bucket, endpoint, accessKeyId = '', secretAccessKey = '' } = s3.options
  client = await ClientProcess.start(home, {
    flags: ['-cloud-provider', 's3', '-s3-bucket', bucket, '-s3-endpoint', endpoint],
    environment: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  })
  data = random.bytes(SIZE)
  await writeFile(join(home.mount, 'data'), data)
  await client.act('wait', '/')
})
after(async () => {
  await client.stop()
  home[Symbol.dispose]()
  await s3[Symbol.asyncDispose]()
})

let counted: CacheStats
beforeEach(async () => {
  await cool()
  counted = await stats()
})

/** Removes the file from the caches of the node and the kernel. */
async function cool(): Promise<void> {
  await client.act('evict', '/')
  writeFileSync('/proc/sys/vm/drop_caches', '1')
}

async function stats(): Promise<CacheStats> {
  const response = await client.fetch(`${client.api}/api/cache/stats`)
  return (await response.json()) as CacheStats
}

async function since(): Promise<CacheStats> {
  const now = await stats()
  return {
    cloudChunks: now.cloudChunks - counted.cloudChunks,
    cloudRanges: now.cloudRanges - counted.cloudRanges,
    cloudBytes: now.cloudBytes - counted.cloudBytes,
  }
}

function readAt(offset: number, length: number): void {
  const file = openSync(join(home.mount, 'data'), 'r')
  const found = Buffer.alloc(length)
  const read = readSync(file, found, 0, length, offset)
  closeSync(file)
  const expected = data.subarray(offset, offset + length)
  assert.ok(found.subarray(0, read).equals(expected), `${length} bytes at ${offset}`)
}

test('the first bytes come alone, the rest of their chunk after them', async () => {
  readAt(0, 4096)
  const { cloudRanges } = await since()
  assert.equal(cloudRanges, 1)
  await eventually('the chunk, and the one after it', async () => (await since()).cloudChunks === 2)
})

test('a reader who jumps gets what it asks for, and no file', async () => {
  for (let i = 0; i < 40; i++) readAt(MIB + random.below(SIZE - 2 * MIB), 1 + random.below(8192))
  readAt(SIZE - 100, 200)
  const { cloudBytes, cloudRanges } = await since()
  assert.ok(cloudRanges >= 20, `${cloudRanges} ranges`)
  assert.ok(cloudBytes < SIZE / 2, `${cloudBytes} bytes for 41 reads`)
})

test('what is read again and again is fetched', async () => {
  for (let i = 0; i < 250; i++) readAt(20 * MIB + i * 16_384, 100)
  await eventually('its chunk is here', async () => (await since()).cloudChunks >= 1)
})

test('a reader who goes through it all gets every chunk once', async () => {
  assert.equal(sha(await readFile(join(home.mount, 'data'))), sha(data))
  const { cloudChunks, cloudBytes } = await since()
  assert.equal(cloudChunks, CHUNKS)
  assert.ok(cloudBytes < SIZE + MIB, `${cloudBytes} bytes`)
})

test('reads of every kind at once are right', async () => {
  const readers = Array.from({ length: 8 }, async (_, at) => {
    if (at % 4 === 0) assert.equal(sha(await readFile(join(home.mount, 'data'))), sha(data))
    for (let i = 0; i < 20; i++) {
      const start = random.below(SIZE)
      const response = await client.fetch(`${client.api}/api/files/data`, {
        headers: { range: `bytes=${start}-${start + random.below(300_000)}` },
      })
      const found = Buffer.from(await response.arrayBuffer())
      assert.ok(found.equals(data.subarray(start, start + found.length)), `from ${start}`)
      assert.ok(found.length > 0)
    }
  })
  await Promise.all(readers)
})

test('a part of a damaged object is never given', async () => {
  const [first] = globSync(join(s3.directory, '**/*._S3rver_object')).filter(
    (path) => readFileSync(path).length === 4 * MIB,
  )
  const object = readFileSync(first!)
  const index = Array.from({ length: CHUNKS }, (_, at) => at).find((at) =>
    object.equals(data.subarray(at * 4 * MIB, (at + 1) * 4 * MIB)),
  )!
  const damaged = Buffer.from(object)
  damaged[1000]! ^= 1
  writeFileSync(first!, damaged)
  const file = openSync(join(home.mount, 'data'), 'r')
  assert.throws(() => readSync(file, Buffer.alloc(10), 0, 10, index * 4 * MIB + 1000), {
    code: 'EIO',
  })
  // The other blocks are not damaged.
  readAt(index * 4 * MIB + 3 * MIB, 10)
  writeFileSync(first!, object)
  readAt(index * 4 * MIB + 1000, 10)
  closeSync(file)
})

test('chunks that are evicted, given up and written while they are fetched', async () => {
  const paths = ['first', 'second', 'third'].map((name) => join(home.mount, name))
  const contents = paths.map(() => random.bytes(24 * MIB + 1))
  for (const [at, path] of paths.entries()) await writeFile(path, contents[at]!)
  await client.act('wait', '/')
  for (let round = 0; round < 3; round++) {
    await cool()
    const reads = paths.map(async (path, at) => {
      assert.equal(sha(await readFile(path)), sha(contents[at]!), path)
    })
    const others = [7, 20, 45].map(async (ms) => {
      const signal = AbortSignal.timeout(ms + random.below(60))
      await readFile(join(home.mount, 'data'), { signal }).catch(() => undefined)
      await client.act('evict', '/')
    })
    await Promise.all([...reads, ...others])
    // Writes into the middle of a chunk that is being fetched, and truncates within another.
    await cool()
    const third = readFile(paths[2]!).catch(() => undefined)
    const offset = random.below(23 * MIB)
    const written = random.bytes(100_000)
    await using file = await open(paths[2]!, 'r+')
    await file.write(written, 0, written.length, offset)
    const length = 23.5 * MIB + random.below(1000)
    await file.truncate(length)
    await third
    written.copy(contents[2]!, offset)
    contents[2] = Buffer.concat([contents[2]!.subarray(0, length), random.bytes(MIB)])
    await file.write(contents[2].subarray(length), 0, MIB, length)
    await file.close()
    assert.equal(sha(await readFile(paths[2]!)), sha(contents[2]), 'as written')
    await client.act('wait', '/')
  }
})

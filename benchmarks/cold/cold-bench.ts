/**
 * `make bench-cold`: reads of data that only an S3 server has, through the mount and by the bare
 * SDK, in turns in one run: the first bytes of a large file, random bytes, and the whole file in
 * order. Runs once with a local server and once behind a link that limits each connection to 2
 * MB/s. The server shares the processors of this machine.
 */
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { limits } from '../../src/limits.ts'
import { ClientHome, ClientProcess } from '../../test/fixtures/client-process.ts'
import { startS3Server } from '../../test/fixtures/s3-server.ts'
import type { Counted } from '../cluster/cluster-caller.ts'
import { startSlowLink } from '../cluster/slow-link.ts'
import { dropKernelCaches } from '../kernel-caches.ts'
import { median } from '../median.ts'

const BYTES = 256 * 1024 * 1024
const CHUNK_BYTES = 4 * 1024 * 1024
const RANDOM_READS = 50
const ROUNDS = 3
const SLOW_BYTES_PER_SECOND = 2_000_000

interface Subject {
  /** Duration in ms. */
  first(): Promise<number>
  jumps(): Promise<number>
  all(): Promise<number>
}

const offsets = Array.from({ length: RANDOM_READS }, (_, at) => {
  return ((at * 0.618_033_988_7) % 1) * (BYTES - CHUNK_BYTES)
}).map((offset) => Math.floor(offset / 4096) * 4096)

function mounted(path: string, cool: () => Promise<void>): Subject {
  // Not synchronous, because this thread serves the slow link.
  const readAt = async (places: readonly number[]): Promise<number> => {
    const started = performance.now()
    await using file = await open(path, 'r')
    for (const place of places) await file.read(Buffer.alloc(4096), 0, 4096, place)
    return performance.now() - started
  }
  return {
    async first() {
      await cool()
      return await readAt([0])
    },
    async jumps() {
      await cool()
      return await readAt(offsets)
    },
    async all() {
      await cool()
      const workerData = { verb: 'read', folder: join(path, '..'), files: 0 }
      const caller = new URL('../cluster/cluster-caller.ts', import.meta.url)
      const [counted] = (await once(new Worker(caller, { workerData }), 'message')) as [Counted]
      if (counted.count !== BYTES) throw new Error(`${counted.count} bytes were read`)
      return counted.ms
    },
  }
}

/** As many concurrent requests as the node prefetches chunks. */
function bare(client: S3Client, bucket: string, keys: readonly string[]): Subject {
  const get = async (key: string, range?: string): Promise<number> => {
    const answer = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: key, Range: range }),
    )
    return (await answer.Body!.transformToByteArray()).length
  }
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const started = performance.now()
    await work()
    return performance.now() - started
  }
  return {
    first: () => timed(() => get(keys[0]!, 'bytes=0-4095')),
    jumps: () =>
      timed(async () => {
        for (const offset of offsets) {
          const at = offset % CHUNK_BYTES
          await get(keys[Math.floor(offset / CHUNK_BYTES)]!, `bytes=${at}-${at + 4095}`)
        }
      }),
    all: () =>
      timed(async () => {
        const queue = [...keys]
        const lane = async (): Promise<void> => {
          for (let key = queue.shift(); key !== undefined; key = queue.shift()) await get(key)
        }
        await Promise.all(Array.from({ length: limits.readaheadChunks }, lane))
      }),
  }
}

async function measure(isSlow: boolean): Promise<void> {
  await using s3 = await startS3Server()
  const { bucket, region, accessKeyId = '', secretAccessKey = '' } = s3.options
  await using link = isSlow
    ? await startSlowLink(s3.options.endpoint, SLOW_BYTES_PER_SECOND)
    : undefined
  const { endpoint } = link ?? s3.options
  const client = new S3Client({
    region,
    endpoint,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  using home = new ClientHome()
  const node = await ClientProcess.start(home, {
    flags: ['-cloud-provider', 's3', '-s3-bucket', bucket, '-s3-endpoint', endpoint],
    environment: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  })
  const path = join(home.mount, 'data')
  await writeFile(path, randomBytes(BYTES))
  await node.act('wait', '/')
  const cool = async (): Promise<void> => {
    await node.act('evict', '/')
    await dropKernelCaches('pages')
  }
  const listed = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
  const keys = (listed.Contents ?? [])
    .filter(({ Size }) => Size === CHUNK_BYTES)
    .map(({ Key = '' }) => Key)
  if (keys.length !== BYTES / CHUNK_BYTES) throw new Error(`${keys.length} chunks in the bucket`)
  const subjects = [mounted(path, cool), bare(client, bucket, keys)] as const
  console.log(
    `\n**${isSlow ? 'A server that gives each connection 2 MB/s' : 'A server at hand'}**\n`,
  )
  console.log('| cold, from S3 | CacheFS | bare SDK | speed, ratio |\n| --- | ---: | ---: | ---: |')
  const verbs = {
    first: 'first 4 KiB of 256 MiB',
    jumps: `${RANDOM_READS} reads of 4 KiB here and there`,
    all: '256 MiB in order',
  } as const
  for (const [verb, what] of Object.entries(verbs) as [keyof Subject, string][]) {
    const times: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      for (const at of [0, 1] as const) times[at].push(await subjects[at][verb]())
    }
    const [ours, theirs] = [median(times[0]), median(times[1])]
    const ratio = (theirs / ours).toFixed(2)
    console.log(`| ${what} | ${ours.toFixed(0)} ms | ${theirs.toFixed(0)} ms | ${ratio} |`)
  }
  await node.stop()
  client.destroy()
}

await measure(false)
await measure(true)

/**
 * `make bench-cluster`: compares a cluster (a coordinator and several nodes) with a single node, in
 * one run on this machine. All processes share its processors: latencies are those of a busy
 * machine, and a cluster of several machines is faster.
 */
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Cluster } from '../../test/fixtures/cluster.ts'
import { ClientHome, ClientProcess } from '../../test/fixtures/client-process.ts'
import { startS3Server } from '../../test/fixtures/s3-server.ts'
import { dropKernelCaches } from '../kernel-caches.ts'
import type { Counted, Task } from './cluster-caller.ts'
import { startSlowLink } from './slow-link.ts'

const FILES = 400
const FILE_BYTES = 16 * 1024 * 1024
const DATA_BYTES = 128 * 1024 * 1024
/** One file, in a cloud that limits the bandwidth of each connection to this. */
const SLOW_BYTES = 256 * 1024 * 1024
const SLOW_BYTES_PER_SECOND = 2_000_000

type Line = [what: string, ...cells: string[]]

/** Runs a task in its own thread, so that callers of several mounts do not wait for each other. */
async function call(task: Task): Promise<Counted> {
  const worker = new Worker(new URL('./cluster-caller.ts', import.meta.url), { workerData: task })
  const [counted] = (await once(worker, 'message')) as [Counted]
  return counted
}

function perSecond({ count, ms }: Omit<Counted, 'medianMs'>): number {
  return (count / ms) * 1000
}

/** Operations per second of callers that start together, one on each mount. */
async function together(verb: Task['verb'], folders: string[]): Promise<number> {
  const all = await Promise.all(folders.map((folder) => call({ verb, folder, files: FILES })))
  const ms = Math.max(...all.map((counted) => counted.ms))
  return perSecond({ count: all.reduce((sum, { count }) => sum + count, 0), ms })
}

async function names(): Promise<Line[]> {
  using home = new ClientHome()
  const alone = await ClientProcess.start(home)
  await using cluster = await Cluster.start({ nodes: 3 })
  const lines: Line[] = []
  const folders = [home.mount, ...[0, 1, 2].map((at) => cluster.mount(at))].map((mount, at) => {
    const folder = join(mount, `names-${at}`)
    mkdirSync(folder)
    return folder
  })
  // Files are removed last: each step uses what the one before has left.
  for (const verb of ['create', 'stat', 'list', 'rename', 'remove'] as const) {
    const embedded = await together(verb, folders.slice(0, 1))
    const one = await together(verb, folders.slice(1, 2))
    const three = await together(verb, folders.slice(1))
    const cells = [embedded, one, three].map((value) => `${Math.round(value)}/s`)
    const ratios = [one, three].map((value) => (value / embedded).toFixed(2))
    lines.push([verb, cells[0]!, `${cells[1]!} (${ratios[0]!})`, `${cells[2]!} (${ratios[1]!})`])
  }
  await alone.stop()
  return lines
}

/** Evicts the file from the caches of all nodes and of the kernel. */
async function evictAll(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.act('evict', '/')))
  await dropKernelCaches('pages')
}

interface Traffic {
  cloudBytes: number
  peerBytes: number
}

async function traffic(nodes: readonly ClientProcess[]): Promise<Traffic> {
  const sum = { cloudBytes: 0, peerBytes: 0 }
  for (const node of nodes) {
    const stats = (await (
      await node.fetch(`${node.api}/api/cache/stats`)
    ).json()) as Partial<Traffic>
    sum.cloudBytes += stats.cloudBytes ?? 0
    sum.peerBytes += stats.peerBytes ?? 0
  }
  return sum
}

/** Several nodes read a dataset that none of them has, at the same time, from an S3 server. */
async function coldRead(count: number, isSlow = false): Promise<Line> {
  await using s3 = await startS3Server()
  const { bucket } = s3.options
  await using link = isSlow
    ? await startSlowLink(s3.options.endpoint, SLOW_BYTES_PER_SECOND)
    : undefined
  const { endpoint } = link ?? s3.options
  const [files, fileBytes] = isSlow ? [1, SLOW_BYTES] : [DATA_BYTES / FILE_BYTES, FILE_BYTES]
  const dataBytes = files * fileBytes
  const flags = ['-cloud-provider', 's3', '-s3-bucket', bucket, '-s3-endpoint', endpoint]
  process.env['AWS_ACCESS_KEY_ID'] = 'S3RVER'
  process.env['AWS_SECRET_ACCESS_KEY'] = 'S3RVER'
  await using cluster = await Cluster.start({ nodes: count, flags, ownCloud: true })
  const folder = join(cluster.mount(0), 'data')
  mkdirSync(folder)
  await call({ verb: 'fill', folder, files, fileBytes })
  await cluster.nodes[0]!.act('wait', '/')
  await evictAll(cluster)
  const before = await traffic(cluster.nodes)
  const started = performance.now()
  await Promise.all(
    cluster.nodes.map((_, at) => {
      return call({ verb: 'read', folder: join(cluster.mount(at), 'data'), files: 0 })
    }),
  )
  const seconds = (performance.now() - started) / 1000
  const after = await traffic(cluster.nodes)
  const share = (bytes: number): string => `${(bytes / dataBytes).toFixed(2)}x`
  return [
    `${count} node${count === 1 ? '' : 's'}`,
    `${seconds.toFixed(1)} s`,
    `${((dataBytes * count) / 1e6 / seconds).toFixed(0)} MB/s`,
    share(after.cloudBytes - before.cloudBytes),
    share(after.peerBytes - before.peerBytes),
  ]
}

/** One node reads the data of another node, then the same data again from its own disk. */
async function tiers(): Promise<Line[]> {
  await using cluster = await Cluster.start({ nodes: 2 })
  const folder = join(cluster.mount(0), 'data')
  mkdirSync(folder)
  await call({ verb: 'fill', folder, files: DATA_BYTES / FILE_BYTES, fileBytes: FILE_BYTES })
  const there = join(cluster.mount(1), 'data')
  const speed = async (): Promise<string> => {
    const { count, ms } = await call({ verb: 'read', folder: there, files: 0 })
    return `${(count / 1e3 / ms).toFixed(0)} MB/s`
  }
  const peer = await speed()
  await cluster.nodes[1]!.act('wait', '/')
  await dropKernelCaches('pages')
  const local = await speed()
  await evictAll(cluster)
  const cloud = await speed()
  return [
    ['from the peer that wrote it', peer],
    ['from this node', local],
    ['from the cloud (a folder)', cloud],
  ]
}

/** Median latency of writing and closing 4 KiB. */
async function durability(): Promise<Line[]> {
  const lines: Line[] = []
  for (const policy of ['local', 'peers=1', 'peers=2', 'cloud']) {
    await using cluster = await Cluster.start({ nodes: 3, flags: ['-durability', policy] })
    const folder = join(cluster.mount(0), 'small')
    mkdirSync(folder)
    const { medianMs } = await call({ verb: 'write', folder, files: 100 })
    lines.push([policy, `${medianMs.toFixed(2)} ms`])
  }
  return lines
}

function print(title: string, head: Line, lines: readonly Line[]): void {
  console.log(`\n**${title}**\n`)
  for (const row of [head, head.map(() => '---'), ...lines]) console.log(`| ${row.join(' | ')} |`)
}

const columns: Line = ['names', 'one node, embedded', 'one of three nodes', 'three nodes at once']
print('Operations on names', columns, await names())
print('Where a read comes from', ['128 MiB, sequential', 'speed'], await tiers())
const cold: Line = ['reading at once', 'time', 'all together', 'cloud reads', 'peer reads']
print('One cold dataset of 128 MiB on S3', cold, [
  await coldRead(1),
  await coldRead(3),
  await coldRead(8),
])
print('One cold file of 256 MiB on S3 that gives each connection 2 MB/s', cold, [
  await coldRead(1, true),
  await coldRead(3, true),
])
print('Write and close 4 KiB', ['durability', 'median'], await durability())

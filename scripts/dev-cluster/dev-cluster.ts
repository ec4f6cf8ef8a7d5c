/**
 * `make dev-start`, `make dev-stop`: a coordinator and three nodes with their mounts on this
 * machine, in the background, in one directory. The cloud is a directory unless the environment
 * selects another one (CACHEFS_S3_ENDPOINT, CACHEFS_CLOUD_PROVIDER). Programs that are already
 * running are left running.
 */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { describe } from '../../src/base/fs-error.ts'
import { detachMount } from '../../src/fuse/mount/mount-point.ts'
import { findMount } from '../../src/fuse/mount/mount-table.ts'
import { DetachedProgram } from './detached-program.ts'

const BIN = resolve(import.meta.dirname, '../../bin')

interface Cluster {
  dir: string
  port: number
  nodes: number
}

function clusterOf(values: { dir: string; port: string; nodes: string }): Cluster {
  const [port, nodes] = [Number(values.port), Number(values.nodes)]
  const isRight = Number.isInteger(port) && Number.isInteger(nodes) && nodes > 0 && port > 0
  if (!isRight) throw new Error('--port and --nodes are whole numbers above 0')
  return { dir: resolve(values.dir), port, nodes }
}

const numbers = ({ nodes }: Cluster): number[] => Array.from({ length: nodes }, (_, at) => at + 1)
const mountOf = ({ dir }: Cluster, n: number): string => join(dir, `mount-${n}`)
const apiOf = ({ port }: Cluster, n: number): string => `http://127.0.0.1:${port + n}`
const programOf = ({ dir }: Cluster, name: string): DetachedProgram =>
  new DetachedProgram({ dir, name })

function cloudFlags({ dir }: Cluster): string[] {
  const { CACHEFS_S3_ENDPOINT: s3, CACHEFS_CLOUD_PROVIDER: provider } = process.env
  if (provider) return []
  return s3 ? ['-cloud-provider', 's3'] : ['-cloud-dir', join(dir, 'cloud'), '-create']
}

function nodeFlags(cluster: Cluster, n: number): string[] {
  const { dir, port } = cluster
  return [
    ...['-mount', mountOf(cluster, n), '-nvme', join(dir, `nvme-${n}`)],
    ...['-port', String(port + n), '-peer-id', `node-${n}`],
    ...['-coordinator', `localhost:${port}`],
    ...cloudFlags(cluster),
  ]
}

async function start(cluster: Cluster): Promise<void> {
  const { dir, port } = cluster
  await mkdir(dir, { recursive: true })
  const started: DetachedProgram[] = []
  const startOne = async (name: string, program: string, flags: string[]): Promise<void> => {
    const detached = programOf(cluster, name)
    started.push(detached)
    const line = await detached.start(join(BIN, program), flags)
    if (line === false) started.pop()
    console.log(`${name}: ${line === false ? 'runs already' : line}`)
  }
  try {
    const data = join(dir, 'coordinator')
    await startOne('coordinator', 'coordinator', ['-port', String(port), '-data', data])
    for (const n of numbers(cluster)) await startOne(`node-${n}`, 'client', nodeFlags(cluster, n))
  } catch (error) {
    // The error that caused it is the one to report.
    for (const detached of started.reverse()) await detached.stop().catch(() => undefined)
    throw error
  }
  introduce(cluster)
}

function introduce(cluster: Cluster): void {
  const { dir, port } = cluster
  const [first, second] = [mountOf(cluster, 1), mountOf(cluster, Math.min(2, cluster.nodes))]
  const folder = cloudFlags(cluster).includes('-cloud-dir')
  const nodes = numbers(cluster).map(
    (n) => `  node-${n}       ${mountOf(cluster, n)}  ${apiOf(cluster, n)}`,
  )
  console.log(`
  coordinator  http://127.0.0.1:${port}/api/peers
${nodes.join('\n')}
  cloud        ${folder ? `the folder ${join(dir, 'cloud')}` : 'as the environment says'}
  logs         ${join(dir, '*.log')}

Try:
  cp -r docs ${first}/ && ls ${second}/docs   written on one node, there on the others
  bin/cachefs wait ${first} --api ${apiOf(cluster, 1)}   until the cloud has it all
  bin/cachefs status --api ${apiOf(cluster, 1)}   the nodes, their space, hits and backlog
Stop with: make dev-stop`)
}

async function stop(cluster: Cluster): Promise<void> {
  const failures: unknown[] = []
  let stopped = 0
  const stopOne = async (name: string, mountPoint?: string): Promise<void> => {
    try {
      const outcome = await programOf(cluster, name).stop()
      if (outcome === 'was not started here') return
      stopped++
      // A node that was killed leaves its mount behind.
      if (mountPoint !== undefined && findMount(mountPoint)) await detachMount(mountPoint)
      console.log(`${name}: ${outcome}`)
    } catch (error) {
      failures.push(error)
    }
  }
  await Promise.all(numbers(cluster).map((n) => stopOne(`node-${n}`, mountOf(cluster, n))))
  // After the nodes, which send their last reports to it.
  if (failures.length === 0) await stopOne('coordinator')
  if (stopped + failures.length === 0)
    console.log(`nothing that was started in ${cluster.dir} runs`)
  if (failures.length > 0) throw new Error(failures.map(describe).join('\n'))
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      dir: { type: 'string', default: '/tmp/cachefs' },
      port: { type: 'string', default: '8080' },
      nodes: { type: 'string', default: '3' },
    },
  })
  const cluster = clusterOf(values)
  const [verb] = positionals
  if (verb === 'start') await start(cluster)
  else if (verb === 'stop') await stop(cluster)
  else throw new Error('say start or stop')
}

try {
  await main()
} catch (error) {
  console.error(`dev-cluster: ${describe(error)}`)
  process.exitCode = 1
}

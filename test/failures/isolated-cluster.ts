/**
 * A coordinator, three nodes and an S3 server as users run them, each as a machine with its own
 * address in the networks `co` (coordinator), `pe` (peers) and `cl` (cloud), so that a node can be
 * cut off from each of them separately. The mounts are visible to the test.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { startS3Server, type S3Server } from '../fixtures/s3-server.ts'
import { Network } from './network.ts'

const COORDINATOR = new URL('../../src/cli/coordinator.ts', import.meta.url).pathname
const PORT = '8080'
const FLAGS = ['-chunk-size', '64K', '-nvme-capacity', '50M', '-host', '0.0.0.0']
const API_KEY = 'a key for all of them'

export const NODES = [0, 1, 2]

export class IsolatedCluster implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'cachefs-failures-'))
  readonly network = new Network(['co', 'pe', 'cl'])
  readonly homes = NODES.map(() => new ClientHome())
  readonly nodes: ClientProcess[] = []
  readonly #log: string[] = []
  #coordinator: ChildProcess | undefined
  #cloud: S3Server | undefined

  static async start(): Promise<IsolatedCluster> {
    const cluster = new IsolatedCluster()
    try {
      cluster.network.add('c', ['co'])
      cluster.network.add('s', ['cl'])
      for (const at of NODES) cluster.network.add(`n${at}`, ['co', 'pe', 'cl'])
      await cluster.startCoordinator()
      cluster.#cloud = await startS3Server({
        within: cluster.network.on('s'),
        address: cluster.network.address('s', 'cl'),
      })
      cluster.nodes.push(...(await Promise.all(NODES.map((at) => cluster.#startNode(at)))))
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  mount(at: number): string {
    return this.homes[at]!.mount
  }

  /** Standard error of all processes, for a failed test. */
  get log(): string {
    const parts = [`coordinator:\n${this.#log.join('')}`]
    for (const at of NODES) parts.push(`n${at}:\n${this.nodes[at]?.log.join('') ?? ''}`)
    return parts.join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.nodes.filter(({ child }) => {
      return child.exitCode === null && child.signalCode === null
    })
    await Promise.all(running.map((node) => node.kill()))
    await this.killCoordinator()
    await this.#cloud?.[Symbol.asyncDispose]()
    this.network[Symbol.dispose]()
    for (const home of this.homes) home[Symbol.dispose]()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async killCoordinator(): Promise<void> {
    const child = this.#coordinator
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** Restarts a killed node. */
  async restart(at: number): Promise<void> {
    this.nodes[at] = await this.#startNode(at)
  }

  async startCoordinator(): Promise<void> {
    const [enter, ...args] = this.network.on('c')
    const flags = [process.execPath, COORDINATOR]
    flags.push('-host', '0.0.0.0', '-port', PORT, '-data', join(this.#directory, 'data'))
    const env = { ...process.env, CACHEFS_API_KEY: API_KEY }
    const child = spawn(enter, [...args, ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#coordinator = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#log.push(text))
    const ended = once(child, 'exit').then(() => {
      throw new Error(`the coordinator ended: ${this.#log.join('')}`)
    })
    ended.catch(() => undefined)
    await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])
  }

  #startNode(at: number): Promise<ClientProcess> {
    const { network } = this
    const { endpoint, bucket, region, accessKeyId, secretAccessKey } = this.#cloud!.options
    const cloud = ['-cloud-provider', 's3', '-s3-endpoint', endpoint, '-s3-bucket', bucket]
    const address = network.address(`n${at}`, 'pe')
    const where = ['-coordinator', `${network.address('c', 'co')}:${PORT}`]
    return ClientProcess.start(this.homes[at]!, {
      within: network.on(`n${at}`),
      address,
      flags: [...where, '-advertised-host', address, '-peer-id', `n${at}`, ...FLAGS, ...cloud],
      environment: {
        CACHEFS_API_KEY: API_KEY,
        AWS_ACCESS_KEY_ID: accessKeyId!,
        AWS_SECRET_ACCESS_KEY: secretAccessKey!,
        AWS_REGION: region,
      },
    })
  }
}

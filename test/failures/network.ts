/**
 * Machines of a test as network namespaces: each has its own interface and address in every network
 * that it belongs to, and each of these links can be cut separately. Only the network is isolated:
 * files and mounts are those of the test.
 *
 * Networks are bridges in the namespace of the test. A link is cut at the bridge: to the machine it
 * looks like an unplugged cable, and connections time out instead of being refused. Needs root and
 * `ip` (Debian: iproute2); without them it throws, so that no test passes by not running.
 */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { appendFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Number of subnets in 198.18.0.0/15, which RFC 2544 reserves for network tests. */
const SUBNETS = 512
const NAMESPACES = '/var/run/netns'

export class Network implements Disposable {
  readonly #number = randomInt(36 ** 3)
  readonly #id = this.#number.toString(36)
  /** Names of the bridges, which scripts/contained removes if this process is killed. */
  readonly #list = join(tmpdir(), `cachefs-links-${this.#id}`)
  readonly #networks: readonly string[]
  readonly #machines: string[] = []
  readonly #onExit = (): void => this[Symbol.dispose]()

  /** Names must be short, because interface names are limited. */
  constructor(networks: readonly string[]) {
    this.#networks = networks
    process.once('exit', this.#onExit)
    try {
      for (const network of networks) {
        const bridge = this.#bridge(network)
        appendFileSync(this.#list, `${bridge}\n`)
        run('link', 'add', bridge, 'type', 'bridge')
        run('address', 'add', `${this.#address(network, 254)}/24`, 'dev', bridge)
        run('link', 'set', bridge, 'up')
      }
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** Adds a machine to these networks. */
  add(machine: string, networks: readonly string[]): void {
    const namespace = this.#namespace(machine)
    this.#machines.push(machine)
    run('netns', 'add', namespace)
    run('-n', namespace, 'link', 'set', 'lo', 'up')
    for (const network of networks) {
      const link = this.#link(machine, network)
      run('link', 'add', link, 'type', 'veth', 'peer', 'name', network, 'netns', namespace)
      run('link', 'set', link, 'master', this.#bridge(network), 'up')
      const address = `${this.address(machine, network)}/24`
      run('-n', namespace, 'address', 'add', address, 'dev', network)
      run('-n', namespace, 'link', 'set', network, 'up')
    }
  }

  address(machine: string, network: string): string {
    return this.#address(network, 1 + this.#machines.indexOf(machine))
  }

  /** Command with arguments that runs another command on this machine. */
  on(machine: string): [string, ...string[]] {
    return ['nsenter', `--net=${NAMESPACES}/${this.#namespace(machine)}`]
  }

  cut(machine: string, network: string): void {
    run('link', 'set', this.#link(machine, network), 'down')
  }

  heal(machine: string, network: string): void {
    run('link', 'set', this.#link(machine, network), 'up')
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#onExit)
    for (const machine of this.#machines) {
      for (const network of this.#networks) {
        spawnSync('ip', ['link', 'delete', this.#link(machine, network)])
      }
      spawnSync('ip', ['netns', 'delete', this.#namespace(machine)])
    }
    for (const network of this.#networks) {
      spawnSync('ip', ['link', 'delete', this.#bridge(network)])
    }
    this.#machines.length = 0
    rmSync(this.#list, { force: true })
  }

  #namespace(machine: string): string {
    return `cachefs-${this.#id}-${machine}`
  }

  #bridge(network: string): string {
    return `cf${this.#id}-${network}`
  }

  #link(machine: string, network: string): string {
    return `cf${this.#id}${machine}-${network}`
  }

  #address(network: string, host: number): string {
    const count = this.#networks.length
    const first = (this.#number % Math.floor(SUBNETS / count)) * count
    const subnet = first + this.#networks.indexOf(network)
    return `198.${18 + (subnet >> 8)}.${subnet & 255}.${host}`
  }
}

function run(...args: string[]): void {
  const { error, status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status === 0) return
  const why = error?.message ?? stderr.trim()
  throw new Error(`ip ${args.join(' ')}: ${why} (this test needs root and iproute2)`)
}

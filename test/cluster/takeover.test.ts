/**
 * Two coordinators on one PostgreSQL: the leader is killed, or paused and resumed, or loses its
 * database, while three nodes work. Programs see a pause. Acknowledged changes are on every node.
 * No state of a replaced coordinator reaches a node. Prints the duration of a takeover, from the
 * failure to the next completed operation.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { limits } from '../../src/limits.ts'
import { censusOf } from '../fixtures/census.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'

const NODES = [0, 1, 2]
const LIMIT = { timeout: 180_000 }

let cluster: Cluster

before(async () => {
  const flags = ['-chunk-size', '64K', '-nvme-capacity', '50M']
  cluster = await Cluster.start({ flags, store: 'postgres', coordinators: 2 })
})
after(() => cluster[Symbol.asyncDispose]())

/** Creates files on each node as fast as possible; records the acknowledged ones. */
class Load {
  readonly made: string[][] = NODES.map(() => [])
  readonly #folder: string
  readonly #stop = new AbortController()
  #running: Promise<unknown> = Promise.resolve()

  constructor(folder: string) {
    this.#folder = folder
  }

  async start(): Promise<void> {
    await fs.mkdir(join(cluster.mount(0), this.#folder))
    this.#running = Promise.all(NODES.map((node) => this.#run(node)))
    this.#running.catch(() => undefined)
    await this.goesOn()
  }

  async #run(node: number): Promise<void> {
    for (let at = 0; !this.#stop.signal.aborted; at++) {
      const name = `n${node}-${at}`
      await fs.writeFile(join(cluster.mount(node), this.#folder, name), name, { flag: 'wx' })
      this.made[node]!.push(name)
    }
  }

  /** Resolves when every node has created more files. */
  async goesOn(): Promise<void> {
    const before = this.made.map((names) => names.length)
    const isOn = (): boolean => this.made.every((names, node) => names.length > before[node]!)
    await Promise.race([this.#running, eventually('nodes go on', isOn)])
  }

  async end(): Promise<void> {
    this.#stop.abort()
    await this.#running
    const wanted = this.made.flat().sort()
    for (const node of NODES) {
      const path = join(cluster.mount(node), this.#folder)
      assert.deepEqual((await fs.readdir(path)).sort(), wanted, `node ${node}`)
      for (const name of wanted) assert.equal(await fs.readFile(join(path, name), 'utf8'), name)
    }
    const [first, ...others] = NODES.map((node) => censusOf(cluster.mount(node)))
    for (const other of others) assert.deepEqual(other, first)
  }
}

/** Index of the leader, once there is one. */
async function leader(): Promise<number> {
  let found = -1
  await eventually('a coordinator leads', async () => {
    for (const at of [0, 1]) {
      const said = await cluster.coordinators[at]!.readiness().catch(() => undefined)
      if (said?.ready) found = at
    }
    return found >= 0
  })
  return found
}

function tell(t: TestContext, what: string, beganMs: number): void {
  t.diagnostic(`${what}: ${((performance.now() - beganMs) / 1000).toFixed(1)} s`)
}

test('one leads, the other is alive and not ready', LIMIT, async () => {
  const at = await leader()
  const other = cluster.coordinators[1 - at]!
  await eventually('the other says who leads', async () => {
    const { ready, problems } = await other.readiness()
    return !ready && problems.some(({ what }) => what.includes(cluster.coordinators[at]!.address))
  })
  assert.equal((await fetch(`http://${other.address}/api/health/live`)).status, 200)
  const answer = await cluster.fetch(`http://${other.address}/api/stats`)
  assert.equal(answer.status, 503)
})

test('the leader killed under load: another takes over, nothing is lost', LIMIT, async (t) => {
  const load = new Load('killed')
  await load.start()
  const at = await leader()
  const beganMs = performance.now()
  await cluster.killCoordinator('SIGKILL', at)
  await load.goesOn()
  tell(t, 'takeover after kill -9', beganMs)
  assert.equal(await leader(), 1 - at)
  await cluster.startCoordinator(at)
  await load.end()
})

test('the leader stopped cleanly: the other need not wait', LIMIT, async (t) => {
  const load = new Load('stopped')
  await load.start()
  const at = await leader()
  const beganMs = performance.now()
  await cluster.killCoordinator('SIGTERM', at)
  await load.goesOn()
  tell(t, 'takeover after SIGTERM', beganMs)
  await cluster.startCoordinator(at)
  await load.end()
})

test('a leader that was paused, replaced and woken changes nothing', LIMIT, async (t) => {
  const load = new Load('paused')
  await load.start()
  const at = await leader()
  const old = cluster.coordinators[at]!
  const beganMs = performance.now()
  old.signal('SIGSTOP')
  await load.goesOn()
  tell(t, 'takeover after SIGSTOP', beganMs)
  await delay(limits.leaderTtlMs)
  old.signal('SIGCONT')
  await eventually('it stands by', async () => !(await old.readiness()).ready)
  await load.goesOn()
  await load.end()
})

test('the database restarted under load: a pause', LIMIT, async (t) => {
  const load = new Load('restarted')
  await load.start()
  const beganMs = performance.now()
  await cluster.postgres!.stop()
  await delay(1000)
  await cluster.postgres!.start()
  await load.goesOn()
  tell(t, 'PostgreSQL away for a second', beganMs)
  await load.end()
})

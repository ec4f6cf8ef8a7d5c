/**
 * The coordinator is killed repeatedly during the work of three nodes: programs only see a pause,
 * acknowledged changes are present, and nothing is executed twice. Each program has its own names,
 * so it can check every result; the trees are compared at the end. CACHEFS_SEED repeats a run,
 * CACHEFS_ROUNDS is the number of kills.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { censusOf } from '../fixtures/census.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'
import { Random } from '../fixtures/random.ts'

const KILLS = Number(process.env['CACHEFS_ROUNDS'] ?? 3)
const LIMIT = { timeout: 300_000 + KILLS * 30_000 }
const NODES = [0, 1, 2]
const NAMES = 12
const FLAGS = ['-chunk-size', '64K', '-nvme-capacity', '50M']

/** One program on one node, each of whose operations has exactly one right result. */
class Program {
  readonly contents = new Map<string, Buffer>()
  readonly #random: Random
  readonly #root: string
  steps = 0

  constructor(root: string, seed: number) {
    this.#root = root
    this.#random = new Random(seed)
  }

  async run(isOver: () => boolean): Promise<void> {
    await fs.mkdir(this.#root)
    while (!isOver()) {
      await this.#step()
      this.steps += 1
    }
  }

  #path(name: string): string {
    return join(this.#root, name)
  }

  async #step(): Promise<void> {
    const { contents } = this
    const random = this.#random
    const name = `f${random.below(NAMES)}`
    const content = contents.get(name)
    if (content === undefined) {
      await this.#create(name)
      return
    }
    switch (random.below(6)) {
      case 0: {
        const to = `f${random.below(NAMES)}`
        await fs.rename(this.#path(name), this.#path(to))
        contents.delete(name)
        contents.set(to, content)
        break
      }
      case 1:
        await fs.unlink(this.#path(name))
        contents.delete(name)
        break
      case 2: {
        const more = random.bytes(1 + random.below(3000))
        await fs.appendFile(this.#path(name), more)
        contents.set(name, Buffer.concat([content, more]))
        break
      }
      case 3:
        await fs.truncate(this.#path(name), content.length >> 1)
        contents.set(name, content.subarray(0, content.length >> 1))
        break
      case 4:
        await fs.mkdir(this.#path('directory'))
        await fs.rmdir(this.#path('directory'))
        break
      default:
        assert.ok((await fs.readFile(this.#path(name))).equals(content), `${name} as it was`)
    }
  }

  async #create(name: string): Promise<void> {
    const data = this.#random.bytes(1 + this.#random.below(100_000))
    const file = await fs.open(this.#path(name), 'wx')
    await file.write(data)
    await file.close()
    this.contents.set(name, data)
  }
}

test('a coordinator killed under load: a pause, and nothing else', LIMIT, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}, ${KILLS} kills`)
  await using cluster = await Cluster.start({ flags: FLAGS })
  let isOver = false
  const programs = NODES.map((node) => {
    return new Program(join(cluster.mount(node), `p${node}`), random.below(2 ** 31))
  })
  const running = Promise.all(programs.map((program) => program.run(() => isOver)))
  running.catch(() => undefined)
  for (let kill = 0; kill < KILLS; kill++) {
    const before = programs.map(({ steps }) => steps)
    const goOn = (): boolean => programs.every(({ steps }, node) => steps > before[node]!)
    await Promise.race([running, eventually('programs go on', goOn)])
    await Promise.race([running, delay(random.below(1500))])
    await cluster.killCoordinator()
    await delay(random.below(3000))
    await cluster.startCoordinator()
  }
  isOver = true
  await running
  t.diagnostic(`${programs.map(({ steps }) => steps).join()} steps`)
  const [first, ...others] = NODES.map((node) => censusOf(cluster.mount(node)))
  for (const other of others) assert.deepEqual(other, first)
  for (const [node, { contents }] of programs.entries()) {
    const root = join(cluster.mount((node + 1) % 3), `p${node}`)
    assert.deepEqual((await fs.readdir(root)).sort(), [...contents.keys()].sort())
    for (const [name, content] of contents) {
      assert.ok(readFileSync(join(root, name)).equals(content), `${name} of node ${node}`)
    }
  }
})

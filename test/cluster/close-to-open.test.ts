/**
 * Close-to-open consistency: an open on any node sees the complete contents that were closed on
 * another. Writers and readers alternate at random on three nodes, through mounts and APIs, with
 * every way to change contents and names; with and without passthrough. Prints its seed;
 * CACHEFS_SEED repeats a run, CACHEFS_ROUNDS makes it longer (test/long/rounds.ts).
 */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster } from '../fixtures/cluster.ts'
import { Random } from '../fixtures/random.ts'

const ROUNDS = Number(process.env['CACHEFS_ROUNDS'] ?? 120)
const NODES = 3
const FILES = 6
/** Descriptors that stay open for a while. */
const HELD = 8
/** Three chunks of the configured size. */
const BYTES = 200_000

class Model {
  readonly contents = new Map<string, Buffer>()
  readonly held: number[] = []
  readonly cluster: Cluster
  readonly random: Random

  constructor(cluster: Cluster, random: Random) {
    this.cluster = cluster
    this.random = random
  }

  path(node: number, name: string): string {
    return join(this.cluster.mount(node), 'work', name)
  }

  url(node: number, name: string): string {
    return `${this.cluster.nodes[node]!.api}/api/files/work/${name}`
  }

  /** Makes one change on one node, acknowledged when this returns; returns its description. */
  async change(node: number): Promise<string> {
    const { random, contents } = this
    const name = `f${random.below(FILES)}`
    const path = this.path(node, name)
    const known = contents.get(name)
    const how = random.below(7)
    if (known === undefined || how < 2) {
      const content = random.bytes(1 + random.below(BYTES))
      writeFileSync(path, content)
      contents.set(name, content)
      return `write ${name}`
    }
    if (how === 2) {
      const more = random.bytes(1 + random.below(5000))
      appendFileSync(path, more)
      contents.set(name, Buffer.concat([known, more]))
      return `append ${name}`
    }
    if (how === 3) {
      const size = random.below(known.length + 1)
      truncateSync(path, size)
      contents.set(name, known.subarray(0, size))
      return `truncate ${name} to ${size}`
    }
    if (how === 4) {
      const other = `f${random.below(FILES)}`
      renameSync(path, this.path(node, other))
      contents.delete(name)
      contents.set(other, known)
      return `rename ${name} to ${other}`
    }
    if (how === 5) {
      rmSync(path)
      contents.delete(name)
      return `remove ${name}`
    }
    const content = random.bytes(1 + random.below(BYTES))
    const response = await this.cluster.nodes[node]!.fetch(this.url(node, name), {
      method: 'PUT',
      body: content,
    })
    assert.ok(response.ok, `PUT ${name}: ${response.status} ${await response.text()}`)
    contents.set(name, content)
    return `PUT ${name}`
  }

  /**
   * Opens or closes a file at random: some stay open in any version, and after their name is
   * removed.
   */
  hold(): void {
    const { random, contents, held } = this
    const name = `f${random.below(FILES)}`
    if (random.below(2) === 0 && held.length < HELD && contents.has(name)) {
      held.push(openSync(this.path(random.below(NODES), name), 'r'))
    } else if (held.length > 0) {
      closeSync(held.splice(random.below(held.length), 1)[0]!)
    }
  }

  /** Compares all files of a node with the model, through its mount or its API. */
  async check(node: number, what: string): Promise<void> {
    const { contents } = this
    const viaApi = this.random.below(4) === 0
    const said = `after "${what}", node ${node}${viaApi ? ' by API' : ''}`
    assert.deepEqual(readdirSync(this.path(node, '')).sort(), [...contents.keys()].sort(), said)
    for (const [name, content] of contents) {
      const seen = viaApi
        ? Buffer.from(
            await (await this.cluster.nodes[node]!.fetch(this.url(node, name))).arrayBuffer(),
          )
        : readFileSync(this.path(node, name))
      assert.equal(statSync(this.path(node, name)).size, content.length, `size of ${name}, ${said}`)
      assert.ok(seen.equals(content), `${name}: ${difference(seen, content)}, ${said}`)
    }
    const absent = `f${this.random.below(FILES)}`
    assert.equal(existsSync(this.path(node, absent)), contents.has(absent), `${absent}, ${said}`)
  }
}

function difference(seen: Buffer, wanted: Buffer): string {
  const at = wanted.findIndex((byte, index) => seen[index] !== byte)
  return `${seen.length} bytes of ${wanted.length}, different from byte ${at}`
}

for (const setup of ['always', 'off']) {
  const name = `what one node closed, every other sees at its next open (passthrough ${setup})`
  test(name, { timeout: 900_000 }, async (t) => {
    const random = Random.fromEnvironment()
    t.diagnostic(`CACHEFS_SEED=${random.seed}, ${ROUNDS} rounds`)
    const flags = ['-chunk-size', '64K', '-nvme-capacity', '20M', '-passthrough', setup]
    await using cluster = await Cluster.start({ nodes: NODES, flags })
    mkdirSync(join(cluster.mount(0), 'work'))
    const model = new Model(cluster, random)
    for (let round = 0; round < ROUNDS; round++) {
      model.hold()
      const writer = random.below(NODES)
      const what = `${round}: ${await model.change(writer)} on node ${writer}`
      await model.check(random.below(NODES), what)
    }
    for (const fd of model.held) closeSync(fd)
  })
}

/**
 * A file with passthrough reads on one node is changed on another. A later open sees the whole
 * change. A descriptor that was open before sees bytes of one version or of later ones, never
 * anything else. Pages are filled with the number of the version that wrote them.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../fixtures/cluster.ts'
import { MappedFile } from '../fixtures/mapped-file.ts'
import { Random } from '../fixtures/random.ts'

const PAGE = 4096
const PAGES = 16 * 20 + 3
const ROUNDS = 60

/** Changes a file, and the model of its pages, in one of several ways. */
function change(random: Random, path: string, pages: number[], version: number): number[] {
  const how = random.below(4)
  const next = [...pages]
  if (how === 0) {
    next.splice(0, Infinity, ...new Array<number>(PAGES + random.below(40)).fill(version))
    fs.writeFileSync(path, bytesOf(next))
  } else if (how === 1) {
    const more = new Array<number>(1 + random.below(40)).fill(version)
    next.push(...more)
    fs.appendFileSync(path, bytesOf(more))
  } else if (how === 2) {
    next.length = PAGES + random.below(Math.max(1, pages.length - PAGES))
    fs.truncateSync(path, next.length * PAGE)
  } else {
    const fd = fs.openSync(path, 'r+')
    for (let count = 0; count < 3; count++) {
      const at = random.below(next.length)
      next[at] = version
      fs.writeSync(fd, bytesOf([version]), 0, PAGE, at * PAGE)
    }
    fs.closeSync(fd)
  }
  return next
}

function bytesOf(pages: readonly number[]): Buffer {
  return Buffer.concat(pages.map((version) => Buffer.alloc(PAGE, version)))
}

/** Reads repeatedly through one descriptor; reports the first page that no version wrote. */
class LongReader {
  readonly #path: string
  #isOver = false
  readonly done: Promise<void>

  constructor(path: string) {
    this.#path = path
    this.done = this.#run()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.done
  }

  async #run(): Promise<void> {
    await using file = await open(this.#path, 'r')
    const page = Buffer.alloc(PAGE)
    for (let at = 0; !this.#isOver;) {
      const { bytesRead } = await file.read(page, 0, PAGE, at * PAGE)
      at = bytesRead === PAGE ? at + 1 : 0
      if (bytesRead === 0) await delay(1)
      assert.ok(!page.subarray(0, bytesRead).includes(0), `zeros in page ${at - 1}`)
    }
  }
}

async function passedOpens(cluster: Cluster): Promise<number> {
  const stats = await cluster.nodes[1]!.fetch(`${cluster.nodes[1]!.api}/api/cache/stats`)
  return ((await stats.json()) as { passedOpens: number }).passedOpens
}

/**
 * The kernel releases an open file some time after its close; until then the file counts as open
 * elsewhere.
 */
async function opened(cluster: Cluster, path: string, isPassed: boolean): Promise<number> {
  for (;;) {
    const before = await passedOpens(cluster)
    const fd = fs.openSync(path, 'r')
    if (!isPassed || (await passedOpens(cluster)) > before) return fd
    fs.closeSync(fd)
    await delay(20)
  }
}

for (const setup of ['always', 'off']) {
  test(`changed elsewhere while open, passthrough ${setup}`, { timeout: 240_000 }, async (t) => {
    const random = Random.fromEnvironment()
    t.diagnostic(`CACHEFS_SEED=${random.seed}`)
    const flags = ['-chunk-size', '64K', '-passthrough', setup]
    await using cluster = await Cluster.start({ nodes: 2, flags })
    const [there, here] = [join(cluster.mount(0), 'file'), join(cluster.mount(1), 'file')]
    let pages = new Array<number>(PAGES).fill(1)
    fs.writeFileSync(there, bytesOf(pages))
    assert.ok(fs.readFileSync(here).equals(bytesOf(pages)))
    const fd = await opened(cluster, here, setup === 'always')
    const reader = new LongReader(here)
    await using _mapped = await MappedFile.open(here, PAGE, 'r')
    for (let version = 2; version < 2 + ROUNDS; version++) {
      const path = random.below(4) === 0 ? here : there
      pages = change(random, path, pages, version)
      const wanted = bytesOf(pages)
      assert.ok(fs.readFileSync(here).equals(wanted), `version ${version}, on the reader's node`)
      assert.ok(fs.readFileSync(there).equals(wanted), `version ${version}, on the other`)
      assert.equal(fs.statSync(here).size, wanted.length)
      const seen = Buffer.alloc(wanted.length)
      assert.equal(fs.readSync(fd, seen, 0, seen.length, 0), wanted.length)
      assert.ok(seen.equals(wanted), `version ${version}, through what was open`)
      await Promise.race([reader.done, delay(5)])
    }
    fs.closeSync(fd)
    await reader.stop()
    assert.equal((await passedOpens(cluster)) > 0, setup === 'always')
  })
}

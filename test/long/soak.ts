/**
 * Two nodes and a coordinator under a steady, mixed load: files are created, overwritten, appended
 * to, truncated, renamed, removed and uploaded on either node, evicted, and read on the other, with
 * every byte compared. The cache is smaller than the files. Memory and descriptors of all three
 * processes stay flat after the first third of the run.
 *
 * CACHEFS_SEED repeats a run, CACHEFS_SECONDS is its duration (120; 3600 for a release), and LOAD
 * is the share of the time that is work (0.5).
 */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../fixtures/cluster.ts'
import { usageOf, type ProcessUsage } from '../fixtures/process-usage.ts'
import { Random } from '../fixtures/random.ts'

const SECONDS = Number(process.env['CACHEFS_SECONDS'] ?? 120)
const LOAD = Number(process.env['LOAD'] ?? 0.5)
const MIB = 1024 * 1024
/** Number of files; with sizes up to 3 MiB they exceed the capacity of the cache. */
const FILES = 300
const SAMPLES = 60
/** Permitted growth of the median from the second to the last third of the samples, bytes. */
const GROWTH_BYTES = 32 * MIB
/** Permitted growth of descriptors, as a fraction: threads keep recently used files open. */
const GROWTH_DESCRIPTORS = 0.25

type Change = (this: Load, node: number) => void | Promise<void>

/** The files of a cluster, with their expected contents. */
class Load {
  readonly #cluster: Cluster
  readonly #random: Random
  readonly #contents = new Map<string, Buffer>()
  #created = 0
  #changes = 0

  constructor(cluster: Cluster, random: Random) {
    this.#cluster = cluster
    this.#random = random
  }

  get count(): number {
    return this.#changes
  }

  /** Makes one change on one node, then reads one file on the other. */
  async step(): Promise<void> {
    const node = this.#random.below(2)
    const isFull = this.#contents.size >= FILES
    const changes: Change[] = [this.#create, this.#replace, this.#append, this.#cut, this.#rename]
    changes.push(this.#remove, this.#put, this.#evict)
    if (isFull) this.#remove(node)
    else if (this.#contents.size < FILES / 2) this.#create(node)
    else await this.#random.pick(changes).call(this, node)
    await this.check(this.#any(), 1 - node)
    this.#changes++
  }

  async checkAll(): Promise<void> {
    for (const name of this.#contents.keys()) {
      for (const node of [0, 1]) await this.check(name, node)
    }
  }

  async check(name: string, node: number): Promise<void> {
    const expected = this.#contents.get(name)!
    const found =
      this.#random.below(8) === 0
        ? await this.#download(name, node)
        : readFileSync(this.#path(name, node))
    assert.equal(found.length, expected.length, `length of ${name} on n${node}`)
    assert.ok(found.equals(expected), `content of ${name} on n${node}`)
  }

  #path(name: string, node: number): string {
    return join(this.#cluster.mount(node), name)
  }

  #any(): string {
    return this.#random.pick([...this.#contents.keys()])
  }

  #bytes(): Buffer {
    const isLarge = this.#random.below(4) === 0
    return this.#random.bytes(this.#random.below(isLarge ? 3 * MIB : 100_000))
  }

  #create(node: number): void {
    this.#write(`file-${this.#created++}`, node)
  }

  #replace(node: number): void {
    this.#write(this.#any(), node)
  }

  #write(name: string, node: number): void {
    const content = this.#bytes()
    writeFileSync(this.#path(name, node), content)
    this.#contents.set(name, content)
  }

  #append(node: number): void {
    const name = this.#any()
    const more = this.#random.bytes(this.#random.below(50_000))
    const content = this.#contents.get(name)!
    if (content.length > 3 * MIB) return
    appendFileSync(this.#path(name, node), more)
    this.#contents.set(name, Buffer.concat([content, more]))
  }

  #cut(node: number): void {
    const name = this.#any()
    const content = this.#contents.get(name)!
    const length = this.#random.below(content.length + 1)
    truncateSync(this.#path(name, node), length)
    this.#contents.set(name, Buffer.from(content.subarray(0, length)))
  }

  #rename(node: number): void {
    const name = this.#any()
    // Half of the renames replace an existing file.
    const to = this.#random.below(2) === 0 ? this.#any() : `file-${this.#created++}`
    if (to === name) return
    renameSync(this.#path(name, node), this.#path(to, node))
    this.#contents.set(to, this.#contents.get(name)!)
    this.#contents.delete(name)
  }

  #remove(node: number): void {
    const name = this.#any()
    rmSync(this.#path(name, node))
    this.#contents.delete(name)
  }

  async #evict(node: number): Promise<void> {
    const path = `/${this.#any()}`
    await this.#cluster.nodes[node]!.act('wait', path)
    await this.#cluster.nodes[node]!.act('evict', path)
  }

  #url(name: string, node: number): string {
    return `${this.#cluster.nodes[node]!.api}/api/files/${name}`
  }

  async #put(node: number): Promise<void> {
    const name = this.#any()
    const content = this.#bytes()
    const { fetch } = this.#cluster.nodes[node]!
    const response = await fetch(this.#url(name, node), { method: 'PUT', body: content })
    assert.ok(response.ok, `PUT ${name} on n${node}: ${response.status}`)
    await response.arrayBuffer()
    this.#contents.set(name, content)
  }

  async #download(name: string, node: number): Promise<Buffer> {
    const response = await this.#cluster.nodes[node]!.fetch(this.#url(name, node))
    assert.equal(response.status, 200, `GET ${name} on n${node}`)
    return Buffer.from(await response.arrayBuffer())
  }
}

function report(t: TestContext, load: Load, usages: readonly ProcessUsage[]): void {
  const cells = usages.map((usage, at) => {
    const name = ['n0', 'n1', 'coordinator'][at]
    return `${name} ${Math.round(usage.bytes / MIB)} MiB ${usage.descriptors} fds`
  })
  t.diagnostic(`${load.count} changes: ${cells.join(', ')}`)
}

/** Medians of a third of the samples, by process. */
function medians(samples: readonly (readonly ProcessUsage[])[], third: number): ProcessUsage[] {
  const part = samples.slice((third * samples.length) / 3, ((third + 1) * samples.length) / 3)
  return part[0]!.map((_, at) => ({
    bytes: median(part.map((usages) => usages[at]!.bytes)),
    descriptors: median(part.map((usages) => usages[at]!.descriptors)),
  }))
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!
}

const timeout = SECONDS * 1000 + 300_000

test('memory and descriptors stay flat under a load that goes on', { timeout }, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  const flags = ['-nvme-capacity', '0.1', '-chunk-size', '1M']
  await using cluster = await Cluster.start({ nodes: 2, flags })
  const pids = [...cluster.nodes.map(({ daemon }) => daemon), cluster.coordinators[0]!.pid]
  const load = new Load(cluster, random)
  const samples: ProcessUsage[][] = []
  const start = performance.now()
  while (samples.length < SAMPLES) {
    const before = performance.now()
    await load.step()
    const took = performance.now() - before
    await delay((took * (1 - LOAD)) / LOAD)
    if (performance.now() - start < (samples.length + 1) * ((SECONDS * 1000) / SAMPLES)) continue
    samples.push(pids.map(usageOf))
    report(t, load, samples.at(-1)!)
  }
  await load.checkAll()
  assert.deepEqual([...cluster.nodes.map(({ daemon }) => daemon)], pids.slice(0, 2), 'no restart')
  const [second, third] = [medians(samples, 1), medians(samples, 2)]
  for (const [at, usage] of third.entries()) {
    const { bytes, descriptors } = second[at]!
    assert.ok(usage.bytes <= bytes + GROWTH_BYTES, `memory of process ${at}: ${usage.bytes}`)
    const most = descriptors * (1 + GROWTH_DESCRIPTORS)
    assert.ok(usage.descriptors <= most, `descriptors of process ${at}: ${usage.descriptors}`)
  }
})

/**
 * How nodes of a cluster rely on their replicas (src/coordinator/domains/), in one process: the
 * real coordinator, links, replicas and outboxes over a network and a clock that a seeded scheduler
 * drives. Nodes create, change, rename, remove and list files in a few directories, several
 * operations at once. Connections break, nodes are cut off beyond their leases, killed and started
 * again on their databases, and so is the coordinator.
 *
 * After each step at most one node has a directory exclusively, and then no other relies on it.
 * Each read returns a state of its directory that was there between its start and its end. At the
 * end all copies are equal.
 *
 * CACHEFS_SEED repeats a run, CACHEFS_SECONDS is the duration of all (10); CACHEFS_TRACE names a
 * file for the last messages of a run that fails.
 */
import assert from 'node:assert/strict'
import { mkdtempDisposableSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { now } from '../../src/base/clock.ts'
import { codeOf } from '../../src/base/fs-error.ts'
import { configureLogging } from '../../src/base/log/logger.ts'
import { SigningKey } from '../../src/base/signing-key.ts'
import type { OperationArgs, OperationName } from '../../src/metadata/operations.ts'
import { ANY_INODE, lookup } from '../../src/metadata/namespace-rules.ts'
import type { ReplicaEngine } from '../../src/metadata/replica-engine.ts'
import { TABLES } from '../../src/metadata/schema.ts'
import { many } from '../../src/metadata/statement.ts'
import { Random } from '../fixtures/random.ts'
import { ModelCoordinator } from './cluster/model-coordinator.ts'
import { ModelNode } from './cluster/model-node.ts'
import { Network, settle } from './cluster/network.ts'
import { Truth } from './cluster/truth.ts'

const SECONDS = Number(process.env['CACHEFS_SECONDS'] ?? 10)
const STEPS = 5000
const ROOT = 1
const NAMES = ['a', 'b', 'c', 'd'].map((name) => Buffer.from(name))
const [FILE, DIRECTORY] = [0o100644, 0o040755]
const CHUNK_BYTES = 4 * 1024 * 1024
const AT_ONCE = 6
/** What programs may see: names that others made or removed, and a coordinator that is away. */
const EXPECTED = new Set([
  ...['ENOENT', 'EEXIST', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'EINVAL', 'ESTALE', 'EMLINK', 'EPERM'],
  ...['ETIMEDOUT', 'ECANCELED', 'EIO', 'EAGAIN', 'ENODATA'],
])

const tables = TABLES.map((table) => ({
  table,
  rows: many<object>(`SELECT * FROM ${table} LIMIT ?`),
}))

class World {
  readonly #random: Random
  readonly #network: Network
  readonly #truth = new Truth()
  readonly #folder: string
  readonly #keys = new Map<string, SigningKey>()
  readonly #nodes: ModelNode[] = []
  #coordinator: ModelCoordinator | undefined
  readonly #running = new Set<Promise<void>>()
  readonly #directories = [ROOT]
  /** How often a node works in directories of others, of 30 times: changes now and then. */
  #sharing = 1
  #failure: unknown
  readonly counts = { operations: 0, failed: 0, reads: 0, alone: 0, refused: 0, faults: 0 }

  constructor(random: Random, folder: string) {
    this.#random = random
    this.#network = new Network(random)
    this.#folder = folder
  }

  [Symbol.dispose](): void {
    this.#network[Symbol.dispose]()
  }

  /** The last messages. */
  get trace(): string {
    return this.#network.trace.join('\n')
  }

  async run(): Promise<void> {
    const path = join(this.#folder, 'coordinator.db')
    this.#coordinator = await ModelCoordinator.start(path, this.#truth)
    this.#truth.executed([ROOT], (rule) => this.#coordinator!.read(rule))
    for (const id of ['n1', 'n2', 'n3']) {
      this.#keys.set(id, SigningKey.generate())
      await this.#coordinator.store.copyTo(join(this.#folder, `${id}.db`))
      this.#startNode(id)
    }
    for (let step = 0; step < STEPS; step++) {
      if (this.#running.size < AT_ONCE && this.#random.below(3) === 0) this.#begin()
      if (this.#random.below(700) === 0) await this.#fault()
      if (this.#random.below(400) === 0) this.#sharing = this.#random.pick([0, 1, 4, 30])
      await this.#network.step(400)
      this.#check()
    }
    await this.#quiesce()
    this.#compare()
    for (const node of this.#nodes) node.kill()
    await settle()
    await this.#coordinator.kill()
  }

  #startNode(id: string): ModelNode {
    const node = new ModelNode({
      id,
      key: this.#keys.get(id)!,
      path: join(this.#folder, `${id}.db`),
      network: this.#network,
      truth: this.#truth,
      coordinator: () => this.#coordinator,
    })
    const at = this.#nodes.findIndex((it) => it.id === id)
    if (at < 0) this.#nodes.push(node)
    else this.#nodes[at] = node
    node.start().catch((error: unknown) => {
      if (!node.isDead) this.#failure ??= error
    })
    return node
  }

  #begin(): void {
    const node = this.#random.pick(this.#nodes)
    if (node.isDead) return
    const work = this.#operation(node)
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work))
  }

  async #operation(node: ModelNode): Promise<void> {
    // In directories of their own, which then become exclusive.
    const place = this.#nodes.indexOf(node)
    const own = this.#directories.filter((_, at) => at % this.#nodes.length === place)
    const isOwn = own.length > 0 && this.#random.below(30) >= this.#sharing
    const directory = this.#random.pick(isOwn ? own : this.#directories)
    this.counts.operations += 1
    try {
      const kind = this.#random.below(20)
      if (kind < 8) await this.#read(node, directory)
      else if (kind === 8) await this.#openFor(node, directory)
      else if (kind === 9) await node.domains.flush()
      else await this.#change(node, directory)
    } catch (error) {
      if (!node.isDead && !EXPECTED.has(codeOf(error))) this.#failure ??= error
      this.counts.failed += 1
      const isGone = /no longer exists/.test(String(error)) && directory !== ROOT
      const at = this.#directories.indexOf(directory)
      if (isGone && at > 0) this.#directories.splice(at, 1)
    }
  }

  async #read(node: ModelNode, directory: number): Promise<void> {
    this.counts.reads += 1
    const check = this.#truth.reading(directory)
    const state = await node.read(directory)
    if (!node.isDead) check(state)
  }

  /** A program has a directory open while it reads it several times. */
  async #openFor(node: ModelNode, directory: number): Promise<void> {
    node.open(directory)
    try {
      await this.#read(node, directory)
      await this.#read(node, directory)
    } finally {
      node.close(directory)
    }
  }

  async #change(node: ModelNode, directory: number): Promise<void> {
    const other = this.#random.pick(this.#directories)
    const [name, second] = [this.#random.pick(NAMES), this.#random.pick(NAMES)]
    const kind = this.#random.below(12)
    let touched: number[] = []
    await node.write((engine) => {
      touched = this.#apply(engine, node, { kind, directory, other, name, second })
    })
    this.#truth.acknowledged(touched)
  }

  /** Returns the domains that a program has seen change. */
  #apply(
    engine: ReplicaEngine,
    node: ModelNode,
    how: { kind: number; directory: number; other: number; name: Buffer; second: Buffer },
  ): number[] {
    const { kind, directory, other, name, second } = how
    const write = <K extends OperationName>(operation: K, ...args: OperationArgs<K>): unknown =>
      engine.write(operation, ...args)
    const made = (mode: number) => {
      const [ino, seq] = [node.numbers.next('inode'), node.numbers.next('entry')]
      return { ino, seq, mode, uid: 0, gid: 0, rdev: 0, target: null }
    }
    if (kind <= 1 && this.#directories.length < 7) {
      const wanted = made(DIRECTORY)
      write('create', directory, name, wanted, now())
      this.#directories.push(wanted.ino)
      return [directory, wanted.ino]
    }
    if (kind <= 5) {
      write('create', directory, name, made(FILE), now())
      return [directory]
    }
    if (kind === 6) {
      write('unlink', directory, name, ANY_INODE, now())
      return [directory]
    }
    if (kind === 7 || kind === 8) {
      const parent = kind === 7 ? other : directory
      const to = { parent, name: second }
      const options = {
        noReplace: false,
        expectedTarget: ANY_INODE,
        seq: node.numbers.next('entry'),
      }
      write('rename', { parent: directory, name }, to, options, now())
      return [directory, parent]
    }
    if (kind === 9) {
      write('rmdir', directory, name, ANY_INODE, now())
      return [directory]
    }
    if (kind === 10) {
      write('changeInode', directory, { mode: 0o700 + this.#random.below(64) }, now())
      return [directory]
    }
    const commit = { size: 1, floor: 0, blocks: 0, mtime: now(), ctime: now(), chunks: [] }
    const { ino } = engine.read(lookup(directory, name))
    write('commitContent', ino, commit, CHUNK_BYTES)
    return [directory]
  }

  async #fault(): Promise<void> {
    this.counts.faults += 1
    const node = this.#random.pick(this.#nodes)
    switch (this.#random.below(5)) {
      case 0:
        node.cutLink()
        return
      case 1:
        await this.#cutOff(node)
        return
      case 2:
        await this.#killNode(node)
        return
      case 3:
        await this.#restartCoordinator()
        return
      default:
        for (let steps = 0; steps < 20; steps++) await this.#network.step(200)
    }
  }

  /** The node is not reached for a while, which may be longer than its lease. */
  async #cutOff(node: ModelNode): Promise<void> {
    node.isCut = true
    const untilMs = this.#network.nowMs + this.#random.below(20_000)
    while (this.#network.nowMs < untilMs) {
      if (this.#running.size < AT_ONCE && this.#random.below(5) === 0) this.#begin()
      if (!node.isValid) this.#dispute(node)
      await this.#network.step(300)
      this.#check()
    }
    if (!node.isValid) this.#dispute(node)
    node.isCut = false
  }

  /** What the node did alone and has not sent may be refused. */
  #dispute(node: ModelNode): void {
    for (const domain of node.isDead ? [] : node.exclusive()) this.#truth.disputed.add(domain)
  }

  async #killNode(node: ModelNode): Promise<void> {
    if (node.isDead) return
    this.#dispute(node)
    node.kill()
    const steps = this.#random.below(100)
    for (let at = 0; at < steps; at++) await this.#network.step(150)
    this.#startNode(node.id)
  }

  async #restartCoordinator(): Promise<void> {
    const dead = this.#coordinator!
    this.#coordinator = undefined
    await dead.kill()
    const steps = this.#random.below(60)
    for (let at = 0; at < steps; at++) {
      for (const node of this.#nodes) if (!node.isValid) this.#dispute(node)
      await this.#network.step(100)
    }
    this.#coordinator = await ModelCoordinator.start(
      join(this.#folder, 'coordinator.db'),
      this.#truth,
    )
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure as Error
    for (const node of this.#nodes) {
      if (!node.isValid) continue
      for (const domain of node.exclusive()) {
        for (const other of this.#nodes) {
          if (other === node) continue
          assert.ok(
            !other.relies(domain),
            `${other.id} relies on ${domain}, which ${node.id} has alone`,
          )
        }
      }
    }
  }

  async #quiesce(): Promise<void> {
    for (let steps = 0; steps < 20_000; steps++) {
      await this.#network.step(100)
      this.#check()
      for (const node of this.#nodes) if (node.isValid && steps % 50 === 0) node.domains.send()
      if (this.#running.size === 0 && this.#isSettled()) return
    }
    assert.fail(`not settled: ${this.#running.size} operations, ${JSON.stringify(this.#state())}`)
  }

  #state(): unknown {
    const seq = this.#coordinator!.store.seq
    return [
      seq,
      ...this.#nodes.map(({ id, seq: at, unsent, isValid }) => ({ id, at, unsent, isValid })),
    ]
  }

  #isSettled(): boolean {
    const { seq } = this.#coordinator!.store
    return this.#nodes.every((node) => node.isValid && node.seq === seq && node.unsent === 0)
  }

  #compare(): void {
    for (const node of this.#nodes) {
      this.counts.alone += node.alone
      this.counts.refused += node.refused
    }
    // A node whose operations were refused takes a whole copy, which the model has not.
    const copies = this.#nodes.filter(({ refused }) => refused === 0)
    for (const { table, rows } of tables) {
      const expected = this.#coordinator!.read(rows(100_000))
        .map((row) => JSON.stringify(row))
        .sort()
      for (const node of copies) {
        const found = node
          .dump(rows(100_000))
          .map((row) => JSON.stringify(row))
          .sort()
        assert.deepEqual(found, expected, `${table} of ${node.id}`)
      }
    }
  }
}

test('directories of a cluster: one writer, no outdated read, equal copies', async (t) => {
  configureLogging({ level: 'silent' })
  const random = Random.fromEnvironment()
  const isOne = process.env['CACHEFS_SEED'] !== undefined
  const endMs = Date.now() + SECONDS * 1000
  const totals: Record<string, number> = {}
  let runs = 0
  do {
    const seed = isOne ? random.seed : random.below(2 ** 32)
    using folder = mkdtempDisposableSync(join(tmpdir(), 'cachefs-model-'))
    using world = new World(new Random(seed), folder.path)
    try {
      await world.run()
    } catch (error) {
      t.diagnostic(`CACHEFS_SEED=${seed}`)
      if (process.env['CACHEFS_TRACE']) writeFileSync(process.env['CACHEFS_TRACE'], world.trace)
      throw error
    }
    runs += 1
    for (const [name, count] of Object.entries(world.counts))
      totals[name] = (totals[name] ?? 0) + count
  } while (Date.now() < endMs && !isOne)
  t.diagnostic(`CACHEFS_SEED=${random.seed}, ${runs} runs: ${JSON.stringify(totals)}`)
  assert.ok(totals['alone']! > 0, 'operations ran on a node alone')
})

/**
 * A node that stops during its work, temporarily or by kill -9: the others continue when its lease
 * has expired. When it returns, it serves no stale data and commits nothing over newer content; its
 * own writes are committed, or kept in `conflicts/` and reported. CACHEFS_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'
import { Random } from '../fixtures/random.ts'
import { limits } from '../../src/limits.ts'

const NODES = [0, 1, 2]
const LIMIT = { timeout: 180_000 }
const BYTES = 200_000
/**
 * Longest permitted time of an operation of the other nodes, ms: the lease of a node, and allowance
 * for a busy machine.
 */
const HELD_UP_MS = limits.linkTtlMs + 10_000

function start(): Promise<Cluster> {
  return Cluster.start({ flags: ['-chunk-size', '64K', '-nvme-capacity', '50M'] })
}

async function bounded<T>(what: string, work: Promise<T>): Promise<T> {
  const began = performance.now()
  const value = await work
  const ms = Math.round(performance.now() - began)
  assert.ok(ms < HELD_UP_MS, `${what} took ${ms} ms`)
  return value
}

/** Copies that a node kept of a file that other nodes changed first. */
function conflicts(cluster: Cluster, node: number, name: string): Buffer[] {
  const folder = join(cluster.homes[node]!.nvme, 'conflicts')
  const names = readdirSync(folder).filter((found) => found.endsWith(`-${name}`))
  return names.map((found) => readFileSync(join(folder, found)))
}

test('a node that is stopped beyond its time serves nothing outdated', LIMIT, async () => {
  await using cluster = await start()
  const path = (node: number, name: string): string => join(cluster.mount(node), name)
  const [before, after] = [Buffer.alloc(BYTES, 'before '), Buffer.alloc(BYTES, 'after ')]
  for (const name of ['taken', 'kept', 'seen', 'gone']) writeFileSync(path(0, name), before)
  const taken = await fs.open(path(0, 'taken'), 'r+')
  const kept = await fs.open(path(0, 'kept'), 'r+')
  await taken.write('written here', 70_000)
  await kept.write('written here', 70_000)

  process.kill(cluster.nodes[0]!.daemon, 'SIGSTOP')
  await Promise.all([
    bounded('a write', fs.writeFile(path(1, 'taken'), after)),
    bounded('a change', fs.writeFile(path(2, 'seen'), after)),
    bounded('a name', fs.mkdir(path(2, 'new'))),
    bounded('a removal', fs.unlink(path(1, 'gone'))),
  ])
  const asked = [
    fs.readFile(path(0, 'seen')),
    fs.readFile(path(0, 'taken')),
    fs.readdir(path(0, '')),
  ] as const
  await delay(500)
  process.kill(cluster.nodes[0]!.daemon, 'SIGCONT')

  const [seen, taking, names] = await Promise.all(asked)
  assert.ok(seen.equals(after))
  assert.ok(taking.equals(after), 'neither outdated nor mixed')
  assert.deepEqual(names.sort(), ['kept', 'new', 'seen', 'taken'])
  await assert.rejects(taken.close(), { errno: -constants.errno.ESTALE })
  await kept.close()
  const mine = Buffer.from(before)
  mine.write('written here', 70_000)
  assert.deepEqual(
    conflicts(cluster, 0, 'taken').map((found) => found.equals(mine)),
    [true],
  )
  for (const node of NODES) {
    assert.ok(readFileSync(path(node, 'taken')).equals(after), `taken on node ${node}`)
    assert.ok(readFileSync(path(node, 'kept')).equals(mine), `kept on node ${node}`)
  }
})

/** Creates files until `isOver` or the node dies; closed files are recorded in `done`. */
async function make(
  folder: string,
  random: Random,
  done: Map<string, Buffer>,
  isOver: () => boolean,
): Promise<void> {
  await fs.mkdir(folder)
  for (let at = 0; !isOver(); at++) {
    const content = random.bytes(1 + random.below(100_000))
    await bounded('a file', fs.writeFile(join(folder, `f${at}`), content))
    done.set(`f${at}`, content)
  }
}

test('a node that is killed while it writes: others go on, it comes back', LIMIT, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  await using cluster = await start()
  const path = (node: number, name: string): string => join(cluster.mount(node), name)
  const [before, after] = [Buffer.alloc(BYTES, 'before '), Buffer.alloc(BYTES, 'after ')]
  for (const name of ['open', 'contested']) writeFileSync(path(0, name), before)
  await cluster.nodes[0]!.act('wait', '/')
  const open = await fs.open(path(0, 'open'), 'r+')
  const contested = await fs.open(path(0, 'contested'), 'r+')
  for (const file of [open, contested]) await file.write('written here', 70_000)
  let isOver = false
  const done = NODES.map(() => new Map<string, Buffer>())
  const running = NODES.map((node) => {
    const its = new Random(random.below(2 ** 31))
    return make(path(node, `p${node}`), its, done[node]!, () => isOver)
  })
  const dies = assert.rejects(running[0]!)
  await delay(500 + random.below(1000))
  await cluster.nodes[0]!.kill()
  await dies
  for (const file of [open, contested]) await file.close().catch(() => undefined)
  for (const node of [1, 2]) {
    assert.ok(readFileSync(path(node, 'open')).equals(before), 'the last committed content')
  }
  await bounded('a write', fs.writeFile(path(1, 'contested'), after))
  const counts = done.map(({ size }) => size)
  await eventually('others go on', () => [1, 2].every((node) => done[node]!.size > counts[node]!))
  isOver = true
  await Promise.all(running.slice(1))

  await cluster.restart(0)
  await eventually('what was written is committed', () => {
    return readFileSync(path(1, 'open')).includes('written here')
  })
  const mine = Buffer.from(before)
  mine.write('written here', 70_000)
  assert.deepEqual(
    conflicts(cluster, 0, 'contested').map((found) => found.equals(mine)),
    [true],
  )
  for (const node of NODES) {
    assert.ok(readFileSync(path(node, 'open')).equals(mine))
    assert.ok(readFileSync(path(node, 'contested')).equals(after))
    for (const [maker, files] of done.entries()) {
      for (const [name, content] of files) {
        const what = `${name} of node ${maker}, seen by ${node}`
        assert.ok(readFileSync(path(node, join(`p${maker}`, name))).equals(content), what)
      }
    }
  }
})

/**
 * Durability per directory when close and fsync return: with real nodes that are killed and lose
 * their disks, and an unavailable cloud.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../fixtures/cluster.ts'
import { Random } from '../fixtures/random.ts'

const CACHEFS = new URL('../../src/cli/cachefs.ts', import.meta.url).pathname
const FLAGS = ['-chunk-size', '64K', '-nvme-capacity', '40M']
/** Some chunks, the last one short. */
const BYTES = 300_000

interface Receipt {
  durability: string
  durable: boolean
  holders: string[]
  kept: boolean
  away?: string[]
}

async function receiptOf(cluster: Cluster, node: number, path: string): Promise<Receipt> {
  const response = await cluster.nodes[node]!.fetch(
    `${cluster.nodes[node]!.api}/api/receipt/${path}`,
  )
  assert.ok(response.ok, `${path}: ${response.status}`)
  return (await response.json()) as Receipt
}

async function until(what: string, done: () => Promise<boolean>, ms = 60_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await done())) {
    assert.ok(Date.now() < end, `not in time: ${what}`)
    await delay(250)
  }
}

function setDurability(path: string, value: string): string {
  const done = spawnSync('setfattr', ['-n', 'user.cachefs.durability', '-v', value, path])
  return done.status === 0 ? '' : done.stderr.toString()
}

function sum(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** The cloud is unavailable until the result is disposed of. */
function takeCloudAway(cluster: Cluster): Disposable {
  const away = `${cluster.cloud}-away`
  renameSync(cluster.cloud, away)
  writeFileSync(cluster.cloud, 'not a folder')
  return {
    [Symbol.dispose]: () => {
      rmSync(cluster.cloud)
      renameSync(away, cluster.cloud)
    },
  }
}

/** Runs `cachefs` against a node. */
function cachefs(cluster: Cluster, node: number, ...args: string[]): [number | null, string] {
  const given = [CACHEFS, ...args, '--api', cluster.nodes[node]!.api]
  const { status, stdout, stderr } = spawnSync(process.execPath, given, { encoding: 'utf8' })
  return [status, stdout + stderr]
}

async function loseNode(cluster: Cluster, at: number): Promise<void> {
  await cluster.nodes[at]!.kill()
  rmSync(cluster.homes[at]!.nvme, { recursive: true })
}

/** Restarts a node with an empty disk and so without its key: its id must be removed first. */
async function restartEmpty(cluster: Cluster, at: number): Promise<void> {
  const url = `${cluster.coordinatorUrl}/api/peers/n${at}`
  await until('the id is free', async () => {
    return (await cluster.fetch(url, { method: 'DELETE' })).status === 204
  })
  await cluster.restart(at)
}

/** Creates files; returns their checksums by name. */
function writeFiles(directory: string, seed: number): Map<string, string> {
  const random = new Random(seed)
  const sums = new Map<string, string>()
  for (let at = 0; at < 4; at++) {
    const data = random.bytes(BYTES + at)
    writeFileSync(join(directory, `f${at}`), data)
    sums.set(`f${at}`, sum(data))
  }
  return sums
}

function checkFiles(directory: string, sums: ReadonlyMap<string, string>): void {
  for (const [name, wanted] of sums) {
    assert.equal(sum(readFileSync(join(directory, name))), wanted, join(directory, name))
  }
}

async function replicaCount(cluster: Cluster, node: number): Promise<number> {
  const { held } = (await cluster.nodes[node]!.status()) as { held: { chunks: number } }
  return held.chunks
}

/** Whether the status is degraded for two files, and reports since when their node is offline. */
function isDegraded(status: string): boolean {
  const files = /^2 files \(.*\) could not be read since .*: .* on n0 \(away since 2.*\)$/m
  return (
    /^status +degraded$/m.test(status) && files.test(status) && /^n0 +away since 2/m.test(status)
  )
}

test('what peers have outlives the writer and its disk', { timeout: 180_000 }, async () => {
  await using cluster = await Cluster.start({ nodes: 3, flags: FLAGS })
  const sums = new Map<number, Map<string, string>>()
  const before = new Random(9).bytes(BYTES)
  writeFileSync(join(cluster.mount(0), 'changed'), before)
  await cluster.nodes[1]!.act('wait', '/changed')
  {
    using _away = takeCloudAway(cluster)
    for (const copies of [1, 2]) {
      const directory = join(cluster.mount(0), `p${copies}`)
      mkdirSync(directory)
      assert.equal(setDurability(directory, `peers=${copies}`), '')
      sums.set(copies, writeFiles(directory, copies))
      for (const name of sums.get(copies)!.keys()) {
        const receipt = await receiptOf(cluster, 1, `p${copies}/${name}`)
        const { durability, durable, holders, kept } = receipt
        const is = [durability, durable, kept]
        assert.deepEqual(is, [`peers=${copies}`, false, true], JSON.stringify(receipt))
        assert.ok(holders.includes('n0') && holders.length > copies, holders.join())
      }
    }
    writeFileSync(join(cluster.mount(0), 'only here'), 'local')
    const changed = openSync(join(cluster.mount(0), 'changed'), 'r+')
    writeSync(changed, 'later', 70_000)
    writeSync(changed, 'longer', BYTES)
    closeSync(changed)
    assert.equal(readFileSync(join(cluster.mount(1), 'changed')).length, BYTES + 6)
    assert.deepEqual(cachefs(cluster, 1, 'missing'), [0, ''])
    await loseNode(cluster, 0)
    for (const node of [1, 2]) {
      for (const copies of [1, 2])
        checkFiles(join(cluster.mount(node), `p${copies}`), sums.get(copies)!)
    }
    assert.throws(() => readFileSync(join(cluster.mount(1), 'only here')), { code: 'EIO' })
    assert.throws(() => readFileSync(join(cluster.mount(2), 'changed')), { code: 'EIO' })
    await until('its absence is noticed', async () => {
      return (await receiptOf(cluster, 1, 'only here')).away?.join() === 'n0'
    })
    await until('the status says so', async () => isDegraded(cachefs(cluster, 2, 'status')[1]))
    const [status, said] = cachefs(cluster, 1, 'missing')
    assert.equal(status, 1)
    assert.match(said, /^\/only here {2}5 B: only n0 has it$/m)
    assert.match(said, /^\/changed .*: only n0 has it; the cloud has 293 KB of before$/m)
  }
  // An empty machine with the same name replaces it: the others must notice.
  mkdirSync(cluster.homes[0]!.nvme)
  await restartEmpty(cluster, 0)
  await cluster.nodes[1]!.act('wait', '/p1', '/p2')
  for (const name of ['p1/f0', 'p2/f3']) {
    assert.ok((await receiptOf(cluster, 2, name)).durable, name)
  }
  for (const node of [1, 2]) {
    await until('copies are given back', async () => (await replicaCount(cluster, node)) === 0)
  }
  await until('n0 has said that it lost it', async () => {
    return cachefs(cluster, 1, 'restore', '/changed')[0] === 0
  })
  for (const node of [0, 1, 2]) {
    assert.equal(sum(readFileSync(join(cluster.mount(node), 'changed'))), sum(before))
  }
  assert.deepEqual(cachefs(cluster, 2, 'missing'), [1, '/only here  5 B: no node has it\n'])
  const [waited, why] = cachefs(cluster, 1, 'wait', '/only here')
  assert.equal(waited, 1, 'a wait for what is lost ends')
  assert.match(why, /\/only here cannot become durable: .* are away/)
  for (const path of ['/only here', '/p1/f0']) {
    assert.equal(cachefs(cluster, 1, 'restore', path)[0], 1)
  }
  for (const copies of [1, 2]) checkFiles(join(cluster.mount(0), `p${copies}`), sums.get(copies)!)
})

test('a holder dies, and there are too few of them', { timeout: 180_000 }, async () => {
  await using cluster = await Cluster.start({ nodes: 3, flags: FLAGS })
  for (const copies of [1, 2]) {
    const directory = join(cluster.mount(0), `p${copies}`)
    mkdirSync(directory)
    assert.equal(setDurability(directory, `peers=${copies}`), '')
  }
  let alone: number
  {
    using _away = takeCloudAway(cluster)
    const sums = writeFiles(join(cluster.mount(0), 'p1'), 3)
    const short = openSync(join(cluster.mount(0), 'p2/short'), 'w')
    await loseNode(cluster, 1)
    writeSync(short, 'one peer')
    assert.throws(() => closeSync(short), { code: 'EIO' })
    assert.equal((await receiptOf(cluster, 0, 'p2/short')).kept, false)
    for (const name of sums.keys()) {
      await until('there are as many copies as before', async () => {
        const { holders, kept } = await receiptOf(cluster, 0, `p1/${name}`)
        return kept && holders.join() === 'n0,n2'
      })
    }
    alone = openSync(join(cluster.mount(2), 'p2/alone'), 'w')
    await loseNode(cluster, 0)
    checkFiles(join(cluster.mount(2), 'p1'), sums)
    assert.equal(readFileSync(join(cluster.mount(2), 'p2/short'), 'latin1'), 'one peer')
  }
  // No peer accepts a replica: the cloud is used instead.
  writeSync(alone, 'no peer')
  closeSync(alone)
  const { durable, kept } = await receiptOf(cluster, 2, 'p2/alone')
  assert.deepEqual([durable, kept], [true, true])
})

test('with cloud a close waits for the cloud, or a signal', { timeout: 180_000 }, async () => {
  await using cluster = await Cluster.start({ nodes: 2, flags: FLAGS })
  const directory = join(cluster.mount(0), 'a')
  mkdirSync(directory)
  assert.equal(setDurability(directory, 'cloud'), '')
  const copy = (name: string): ChildProcess => spawn('cp', [CACHEFS, join(directory, name)])
  const away = takeCloudAway(cluster)
  const [waits, interrupted] = [copy('waits'), copy('interrupted')]
  await delay(2000)
  assert.deepEqual([waits.exitCode, interrupted.exitCode], [null, null])
  const ended = once(interrupted, 'exit')
  interrupted.kill('SIGINT')
  assert.deepEqual(await ended, [null, 'SIGINT'])
  const abort = new AbortController()
  const url = `${cluster.nodes[1]!.api}/api/files/a/put`
  const put = cluster.nodes[1]!.fetch(url, { method: 'PUT', body: 'x', signal: abort.signal })
  await assert.rejects(
    Promise.race([
      put,
      delay(1000)
        .then(() => abort.abort())
        .then(() => put),
    ]),
  )
  assert.equal(waits.exitCode, null)
  const done = once(waits, 'exit')
  away[Symbol.dispose]()
  assert.deepEqual(await done, [0, null])
  assert.equal((await receiptOf(cluster, 1, 'a/waits')).durable, true)
  assert.ok((await cluster.nodes[1]!.fetch(url, { method: 'PUT', body: 'x' })).ok)
  assert.equal((await receiptOf(cluster, 0, 'a/put')).durable, true)
})

test('a directory says what holds below it', { timeout: 180_000 }, async () => {
  await using cluster = await Cluster.start({ nodes: 2, flags: FLAGS })
  const root = cluster.mount(0)
  mkdirSync(join(root, 'a/b/c'), { recursive: true })
  writeFileSync(join(root, 'a/file'), 'x')
  for (const value of ['peers', 'peers=0', 'peers=99', 'CLOUD', '', 'peers=1 ']) {
    assert.match(setDurability(join(root, 'a'), value), /Invalid argument/, value)
  }
  assert.match(setDurability(join(root, 'a/file'), 'cloud'), /Invalid argument/)
  const policyOf = async (path: string): Promise<string> => {
    return (await receiptOf(cluster, 1, path)).durability
  }
  assert.equal(await policyOf('a/b/c'), 'local')
  const [set, answer] = cachefs(cluster, 0, 'durability', join(root, 'a'), 'cloud', '--json')
  assert.deepEqual([set, answer], [0, '{"path":"/a","durability":"cloud","from":"/a"}\n'])
  assert.equal(setDurability(join(root, 'a/b'), 'peers=1'), '')
  assert.deepEqual(await Promise.all(['a/file', 'a/b/c', 'a'].map(policyOf)), [
    'cloud',
    'peers=1',
    'cloud',
  ])
  assert.match(cachefs(cluster, 1, 'durability', '/a/b/c')[1], /peers=1\nfrom +\/a\/b\n/)
  assert.equal(cachefs(cluster, 1, 'durability', '/a/file', 'cloud')[0], 1)
  assert.equal(cachefs(cluster, 1, 'durability', '/a', 'tape')[0], 2)
  writeFileSync(join(root, 'a/b/moved'), 'x')
  const { durable, holders } = await receiptOf(cluster, 1, 'a/b/moved')
  assert.ok(durable || holders.join() === 'n0,n1', holders.join())
  renameSync(join(root, 'a/b/moved'), join(root, 'moved'))
  assert.equal(await policyOf('moved'), 'local')
  assert.equal(cachefs(cluster, 1, 'durability', '/a/b', 'inherit')[0], 0)
  assert.equal(await policyOf('a/b/c'), 'cloud')
})

/**
 * Where bytes are when close and fsync return, as the directory asks: with real nodes that are
 * killed and lose their disks, and a cloud that is away.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../fixtures/cluster.ts'
import { Random } from '../fixtures/random.ts'

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
  const response = await fetch(`${cluster.nodes[node]!.api}/api/receipt/${path}`)
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

/** While it lasts, the cloud takes and gives nothing. */
function takeCloudAway(cluster: Cluster): Disposable {
  const aside = `${cluster.cloud}-away`
  renameSync(cluster.cloud, aside)
  writeFileSync(cluster.cloud, 'not a folder')
  return {
    [Symbol.dispose]: () => {
      rmSync(cluster.cloud)
      renameSync(aside, cluster.cloud)
    },
  }
}

for (const copies of [1, 2]) {
  test(`peers=${copies}: the writer dies with its disk`, { timeout: 180_000 }, async () => {
    await using cluster = await Cluster.start({ nodes: 3, flags: FLAGS })
    const directory = join(cluster.mount(0), 'safe')
    mkdirSync(directory)
    assert.equal(setDurability(directory, `peers=${copies}`), '')
    const random = new Random(copies)
    const sums = new Map<string, string>()
    {
      using _away = takeCloudAway(cluster)
      for (let at = 0; at < 5; at++) {
        const data = random.bytes(BYTES + at)
        writeFileSync(join(directory, `f${at}`), data)
        sums.set(`f${at}`, sum(data))
      }
      for (const name of sums.keys()) {
        const { durability, durable, holders, kept } = await receiptOf(cluster, 1, `safe/${name}`)
        assert.deepEqual([durability, durable, kept], [`peers=${copies}`, false, true])
        assert.ok(holders.includes('n0') && holders.length > copies, holders.join())
      }
      await cluster.nodes[0]!.kill()
      rmSync(cluster.homes[0]!.nvme, { recursive: true })
      for (const node of [1, 2]) {
        for (const [name, wanted] of sums) {
          const seen = readFileSync(join(cluster.mount(node), 'safe', name))
          assert.equal(sum(seen), wanted, `${name} on node ${node}`)
        }
      }
    }
    for (const name of sums.keys()) {
      await until(`${name} is in the cloud`, async () => {
        return (await receiptOf(cluster, 2, `safe/${name}`)).durable
      })
    }
  })
}

test('without nodes that take copies the cloud stands in', { timeout: 180_000 }, async () => {
  const flags = [...FLAGS, '-durability', 'peers=1']
  await using cluster = await Cluster.start({ nodes: 1, flags })
  const path = join(cluster.mount(0), 'alone')
  writeFileSync(path, Random.fromEnvironment().bytes(BYTES))
  const { durability, durable, kept } = await receiptOf(cluster, 0, 'alone')
  assert.deepEqual([durability, durable, kept], ['peers=1', true, true])
  {
    using _away = takeCloudAway(cluster)
    const fd = openSync(path, 'r+')
    writeSync(fd, 'new')
    assert.throws(() => fsyncSync(fd), { code: 'EIO' })
    assert.throws(() => closeSync(fd), { code: 'EIO' })
    assert.equal((await receiptOf(cluster, 0, 'alone')).kept, false)
  }
  assert.equal(readFileSync(path, 'latin1').slice(0, 3), 'new')
  await until('the journal is in the cloud', async () => {
    return (await receiptOf(cluster, 0, 'alone')).durable
  })
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
  assert.equal(setDurability(join(root, 'a'), 'cloud'), '')
  assert.equal(setDurability(join(root, 'a/b'), 'peers=1'), '')
  assert.deepEqual(await Promise.all(['a/file', 'a/b/c', 'a'].map(policyOf)), [
    'cloud',
    'peers=1',
    'cloud',
  ])
  writeFileSync(join(root, 'a/now'), 'safe when closed')
  assert.equal((await receiptOf(cluster, 1, 'a/now')).durable, true)
  const put = await fetch(`${cluster.nodes[1]!.api}/api/files/a/b/put`, {
    method: 'PUT',
    body: 'x',
  })
  assert.ok(put.ok)
  const receipt = await receiptOf(cluster, 0, 'a/b/put')
  assert.ok(receipt.durable || receipt.holders.join() === 'n0,n1', JSON.stringify(receipt))
  renameSync(join(root, 'a/b/put'), join(root, 'put'))
  assert.equal(await policyOf('put'), 'local')
  const removed = spawnSync('setfattr', ['-x', 'user.cachefs.durability', join(root, 'a/b')])
  assert.equal(removed.status, 0)
  assert.equal(await policyOf('a/b/c'), 'cloud')
})

test('what only a node had that is gone is said by its name', { timeout: 180_000 }, async () => {
  await using cluster = await Cluster.start({ nodes: 2, flags: FLAGS })
  using _away = takeCloudAway(cluster)
  writeFileSync(join(cluster.mount(0), 'lost'), 'only here')
  await cluster.nodes[0]!.kill()
  assert.throws(() => readFileSync(join(cluster.mount(1), 'lost')), { code: 'EIO' })
  await until('its absence is noticed', async () => {
    const { holders, away, kept } = await receiptOf(cluster, 1, 'lost')
    assert.deepEqual([holders, kept], [['n0'], true])
    return away?.join() === 'n0'
  })
  const answer = await fetch(`${cluster.nodes[1]!.api}/api/files/lost`)
  assert.match(answer.ok ? await answer.text().catch(String) : await answer.text(), /n0|terminated/)
})

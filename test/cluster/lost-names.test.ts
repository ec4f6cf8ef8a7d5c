/** A coordinator whose names are gone does not begin a new volume in their place. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Cluster } from '../fixtures/cluster.ts'
import { CoordinatorProcess } from '../fixtures/coordinator-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { LinkClient } from '../fixtures/link-client.ts'

const KEY = 'the key of the coordinator'
const PAGE = 4096
const CONTENT = 'what was written before'

/** Moves files of the data directory of the coordinator away, or back. */
function move(names: readonly string[], from: string, to: string): void {
  fs.mkdirSync(to, { recursive: true })
  for (const name of names) {
    if (fs.existsSync(join(from, name))) fs.renameSync(join(from, name), join(to, name))
  }
}

function filesOf(database: string): string[] {
  return ['', '-wal', '-shm'].map((end) => `${database}${end}`)
}

test('a coordinator without its names refuses to start, and nodes refuse other names', async () => {
  await using cluster = await Cluster.start({ nodes: 2, store: 'sqlite' })
  const [data, away] = [cluster.dataOf(0), join(cluster.dataOf(0), '..', 'away')]
  fs.writeFileSync(join(cluster.mount(0), 'file'), CONTENT)
  await cluster.nodes[0]!.act('wait', '/')
  await cluster.killCoordinator('SIGTERM')

  move(filesOf('volume.db'), data, away)
  await assert.rejects(cluster.startCoordinator(), /ended with 1: .*volume\.db.*is gone or empty/s)
  fs.writeFileSync(join(data, 'volume.db'), '')
  await assert.rejects(cluster.startCoordinator(), /is gone or empty/)

  // Without any record of the names, it begins a new volume.
  fs.rmSync(join(data, 'volume.db'))
  move(filesOf('coordinator.db'), data, away)
  await cluster.startCoordinator()
  await eventually('a running node says why it does not follow', async () => {
    const status = await cluster.nodes[0]!.status()
    return JSON.stringify(status).includes('has the names of another volume')
  })
  await cluster.nodes[1]!.kill()
  await assert.rejects(cluster.restart(1), /has the names of another volume, or has lost its own/)

  await cluster.killCoordinator()
  for (const name of [...filesOf('volume.db'), ...filesOf('coordinator.db')]) {
    fs.rmSync(join(data, name), { force: true })
  }
  move([...filesOf('volume.db'), ...filesOf('coordinator.db')], away, data)
  await cluster.startCoordinator()
  // The running node would try again within half a minute.
  await cluster.nodes[0]!.kill()
  await Promise.all([cluster.restart(0), cluster.restart(1)])
  for (const at of [0, 1]) {
    assert.equal(fs.readFileSync(join(cluster.mount(at), 'file'), 'utf8'), CONTENT)
  }
})

test('damage in the names is reported by the coordinator', async () => {
  await using cluster = await Cluster.start({ nodes: 1, store: 'sqlite' })
  for (let at = 0; at < 200; at++) fs.writeFileSync(join(cluster.mount(0), `file-${at}`), CONTENT)
  await cluster.nodes[0]!.act('wait', '/')
  await cluster.killCoordinator('SIGTERM')
  const path = join(cluster.dataOf(0), 'volume.db')
  damageTable(path, 'dentry')
  await cluster.startCoordinator()
  const add = (): Promise<void> => fs.promises.writeFile(join(cluster.mount(0), 'another'), 'x')
  await assert.rejects(add(), { code: 'EIO' })
  const { problems } = await cluster.coordinators[0]!.readiness()
  assert.match(problems.map(({ what }) => what).join(), /pages of .*volume\.db are damaged/)
})

test('a volume.db beside the write-ahead log of another is refused', async () => {
  using home = fs.mkdtempDisposableSync(join(tmpdir(), 'cachefs-other-log-'))
  const data = join(home.path, 'data')
  const coordinator = new CoordinatorProcess(['-data', data, '-api-key', KEY])
  try {
    await coordinator.start()
    using _node = await LinkClient.connect(coordinator.address, KEY, 'node-0')
    await coordinator.kill()
    const path = join(data, 'volume.db')
    fs.renameSync(path, `${path}.away`)
    fs.copyFileSync(`${path}.away`, path)
    fs.chmodSync(path, 0o600)
    await assert.rejects(coordinator.start(), /volume\.db is not the file that .*-wal belongs to/)
    fs.renameSync(`${path}.away`, path)
    await coordinator.start()
    await coordinator.kill()
    // All of it was copied.
    fs.renameSync(data, `${data}.away`)
    fs.cpSync(`${data}.away`, data, { recursive: true })
    await coordinator.start()
  } finally {
    await coordinator.kill()
  }
})

test('a volume.db that is replaced or cut under a coordinator is reported', async () => {
  using home = fs.mkdtempDisposableSync(join(tmpdir(), 'cachefs-replaced-'))
  const coordinator = new CoordinatorProcess(['-data', home.path, '-api-key', KEY])
  await coordinator.start()
  const path = join(home.path, 'volume.db')
  const problems = async (): Promise<string> => {
    return (await coordinator.readiness()).problems.map(({ what }) => what).join()
  }
  try {
    fs.renameSync(path, `${path}.away`)
    assert.match(await problems(), /volume\.db has been replaced or removed/)
    fs.renameSync(`${path}.away`, path)
    assert.equal(await problems(), '')
    using _first = await LinkClient.connect(coordinator.address, KEY, 'node-0')
    await eventually('a checkpoint', () => fs.statSync(path).size > 2 * PAGE)
    fs.truncateSync(path, 0)
    // Its registration is the change that the next checkpoint writes.
    using _node = await LinkClient.connect(coordinator.address, KEY, 'node-1')
    await eventually('it reports the damage', async () => {
      return /pages of .*volume\.db are damaged/.test(await problems())
    })
    assert.ok(coordinator.isRunning)
  } finally {
    await coordinator.kill()
  }
})

/** Overwrites the root page of a table. */
function damageTable(path: string, table: string): void {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  const row = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(table)
  const size = Number(database.prepare('PRAGMA page_size').get()!['page_size'])
  database.close()
  const fd = fs.openSync(path, 'r+')
  fs.writeSync(fd, Buffer.alloc(size), 0, size, (Number(row!['rootpage']) - 1) * size)
  fs.closeSync(fd)
}

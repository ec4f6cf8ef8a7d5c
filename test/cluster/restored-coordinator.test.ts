/**
 * A coordinator whose database was restored from an older backup: every node notices, takes the
 * older names, and keeps its own and all content that they lack. Nothing appears as another version
 * or under another name, also when the coordinator has meanwhile made as many changes again.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'

const SIZE = 150_000
const FLAGS = ['-chunk-size', '64K']

function write(cluster: Cluster, at: number, name: string, letter: string): void {
  fs.writeFileSync(join(cluster.mount(at), name), letter.repeat(SIZE))
}

/** Letter of which a file consists; an errno if it cannot be read. */
function letterIn(path: string): string {
  try {
    const text = fs.readFileSync(path, 'utf8')
    assert.equal(text, text[0]?.repeat(text.length), path)
    return text[0] ?? ''
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    return code
  }
}

function conflictsOf(cluster: Cluster, at: number): string[] {
  const folder = join(cluster.homes[at]!.nvme, 'conflicts')
  if (!fs.existsSync(folder)) return []
  return fs.readdirSync(folder).map((name) => {
    if (name.endsWith('.db')) return 'names'
    return `${letterIn(join(folder, name))} ${name.split('-').slice(2).join('-')}`
  })
}

function objectsOf(cluster: Cluster): Map<string, Buffer> {
  const chunks = join(cluster.cloud, 'chunks')
  const names = fs.readdirSync(chunks, { recursive: true, encoding: 'utf8' })
  const objects = names.filter((name) => fs.statSync(join(chunks, name)).isFile())
  return new Map(objects.map((name) => [name, fs.readFileSync(join(chunks, name))]))
}

function namesAt(cluster: Cluster, at: number): string {
  try {
    return fs.readdirSync(cluster.mount(at)).sort().join()
  } catch (error) {
    return String(error)
  }
}

/** The first request after a restart of the daemon may find a connection to the old one. */
async function uploaded(cluster: Cluster): Promise<void> {
  await eventually('all is uploaded', async () => {
    return await cluster.nodes[0]!.act('wait', '/').then(
      () => true,
      () => false,
    )
  })
}

const BACKUP = 'the_backup'

async function makeBackup(cluster: Cluster): Promise<void> {
  await cluster.killCoordinator('SIGTERM')
  await copyMetadata(cluster, cluster.database, BACKUP)
  await cluster.startCoordinator()
}

async function restoreBackup(cluster: Cluster): Promise<void> {
  await cluster.killCoordinator('SIGTERM')
  await copyMetadata(cluster, BACKUP, cluster.database)
  await cluster.startCoordinator()
}

/** Copies a whole PostgreSQL database, or the data directory with SQLite. */
async function copyMetadata(cluster: Cluster, from: string, to: string): Promise<void> {
  const pathOf = (name: string): string => join(cluster.dataOf(0), '..', name || 'coordinator0')
  if (cluster.postgres) {
    await cluster.postgres.query('postgres', `DROP DATABASE IF EXISTS ${to}`)
    await cluster.postgres.query('postgres', `CREATE DATABASE ${to} TEMPLATE ${from}`)
  } else {
    fs.rmSync(pathOf(to), { recursive: true, force: true })
    fs.cpSync(pathOf(from), pathOf(to), { recursive: true })
  }
}

for (const store of ['sqlite', 'postgres']) {
  test(`nodes keep what an older database of their coordinator lacks: ${store}`, async () => {
    await using cluster = await Cluster.start({ nodes: 2, flags: FLAGS, store })
    write(cluster, 0, 'same', 'a')
    write(cluster, 0, 'changed', 'a')
    await cluster.nodes[0]!.act('wait', '/')
    await makeBackup(cluster)
    write(cluster, 0, 'changed', 'b')
    write(cluster, 1, 'new', 'b')
    await cluster.nodes[0]!.act('wait', '/')
    await cluster.nodes[1]!.act('wait', '/')
    // The second node returns after the others have gone on.
    assert.equal(await cluster.nodes[1]!.stop(), 0)
    fs.renameSync(join(cluster.cloud, 'chunks'), join(cluster.cloud, 'away'))
    fs.writeFileSync(join(cluster.cloud, 'chunks'), '')
    write(cluster, 0, 'pending', 'b')
    await restoreBackup(cluster)
    await eventually('the first node has the restored names', () => {
      return namesAt(cluster, 0) === 'changed,same'
    })
    fs.rmSync(join(cluster.cloud, 'chunks'))
    fs.renameSync(join(cluster.cloud, 'away'), join(cluster.cloud, 'chunks'))
    const before = objectsOf(cluster)
    assert.ok(['names', 'b pending'].every((kept) => conflictsOf(cluster, 0).includes(kept)))
    for (let at = 0; at < 40; at++) write(cluster, 0, `later-${at}`, 'c')
    await uploaded(cluster)
    for (const [name, data] of objectsOf(cluster)) {
      if (before.has(name)) assert.ok(data.equals(before.get(name)!), `${name} was overwritten`)
    }
    await cluster.restart(1)
    assert.ok(conflictsOf(cluster, 1).includes('names'))
    for (const at of [0, 1]) {
      assert.equal(namesAt(cluster, at), namesAt(cluster, 0))
      assert.equal(letterIn(join(cluster.mount(at), 'same')), 'a')
      assert.match(letterIn(join(cluster.mount(at), 'changed')), /^(a|EIO)$/)
      for (let n = 0; n < 40; n++) {
        assert.equal(letterIn(join(cluster.mount(at), `later-${n}`)), 'c')
      }
      const { away } = (await cluster.nodes[at]!.status()) as { away: { what: string }[] }
      assert.ok(away.some(({ what }) => what.includes('older backup')))
    }
    const log = cluster.nodes[0]!.log.join('')
    assert.match(log, /files differ from the restored names \(.*\/new.*\)/)
    assert.match(cluster.coordinators[0]!.log.join(''), /n0 has changes up to \d+ that are not in/)
  })
}

test('the names before can be restored from any node', async () => {
  await using cluster = await Cluster.start({ nodes: 1, flags: FLAGS, store: 'sqlite' })
  write(cluster, 0, 'same', 'a')
  await cluster.nodes[0]!.act('wait', '/')
  await makeBackup(cluster)
  write(cluster, 0, 'new', 'b')
  await cluster.nodes[0]!.act('wait', '/')
  await restoreBackup(cluster)
  await eventually('the node has the restored names', () => namesAt(cluster, 0) === 'same')
  const folder = join(cluster.homes[0]!.nvme, 'conflicts')
  const kept = fs.readdirSync(folder).find((name) => name.endsWith('.db'))!
  await cluster.killCoordinator('SIGTERM')
  for (const end of ['', '-wal', '-shm']) {
    fs.rmSync(join(cluster.dataOf(0), `volume.db${end}`), { force: true })
  }
  fs.renameSync(join(folder, kept), join(cluster.dataOf(0), 'volume.db'))
  await cluster.startCoordinator()
  await eventually('the node has its names again', () => namesAt(cluster, 0) === 'new,same')
  assert.equal(letterIn(join(cluster.mount(0), 'new')), 'b')
})

test('a restart or a longer absence is no backup', async () => {
  await using cluster = await Cluster.start({ nodes: 2, flags: FLAGS, store: 'sqlite' })
  write(cluster, 0, 'one', 'a')
  await cluster.nodes[1]!.kill()
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await cluster.killCoordinator(signal)
    await cluster.startCoordinator()
    write(cluster, 0, `after ${signal}`, 'b')
  }
  await cluster.restart(1)
  for (const at of [0, 1]) {
    assert.equal(namesAt(cluster, at), 'after SIGKILL,after SIGTERM,one')
    assert.deepEqual(conflictsOf(cluster, at), [])
  }
})

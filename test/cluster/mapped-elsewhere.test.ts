/**
 * Mappings on two nodes do not share memory. A file that another node has open for writing cannot
 * be mapped shared and writable here until that node has closed it. SQLite in WAL mode depends on
 * this: its processes on two nodes would not see each other's commits.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'
import { MappedFile } from '../fixtures/mapped-file.ts'
import { SqliteProcess } from '../fixtures/sqlite-process.ts'

const PASSTHROUGH = ['-chunk-size', '64K', '-passthrough']
const BYTES = 200_000

/** Result of a shared writable mapping: `mapped`, or the name of an errno. */
function mapped(path: string): string {
  const program = `
import errno, mmap, sys
try:
    with open(sys.argv[1], 'r+b') as file: mmap.mmap(file.fileno(), 4096)
    print('mapped', end='')
except OSError as error: print(errno.errorcode[error.errno], end='')`
  return execFileSync('python3', ['-c', program, path], { encoding: 'utf8' })
}

/** Commits rows one by one; returns their number. */
async function insert(database: SqliteProcess, rows: number): Promise<number> {
  for (let row = 0; row < rows; row++) await database.run(`INSERT INTO t VALUES (${row})`)
  return rows
}

async function count(database: SqliteProcess): Promise<unknown> {
  return (await database.run('SELECT count(*) AS n FROM t'))[0]?.['n']
}

/** Asserts that a writer on a second node gets an error. */
async function refused(path: string): Promise<void> {
  await using database = new SqliteProcess(path)
  await assert.rejects(insert(database, 1), /disk I\/O error/)
}

test('SQLite in WAL mode is for one node at a time', { timeout: 120_000 }, async () => {
  await using cluster = await Cluster.start({ nodes: 2 })
  const [here, there] = [join(cluster.mount(0), 'db'), join(cluster.mount(1), 'db')]
  let rows = 0
  await using first = new SqliteProcess(here)
  await first.run('PRAGMA journal_mode=WAL', 'CREATE TABLE t (n)')
  rows += await insert(first, 20)
  await refused(there)
  rows += await insert(first, 20)
  process.kill(cluster.nodes[0]!.daemon, 'SIGKILL')
  rows += await insert(first, 20)
  await refused(there)
  await cluster.killCoordinator()
  await cluster.startCoordinator()
  rows += await insert(first, 20)
  await refused(there)
  assert.equal(await count(first), rows)
  await first.close()

  await using second = new SqliteProcess(there)
  assert.equal(await count(second), rows)
  rows += await insert(second, 20)
  await refused(here)
  await cluster.nodes[1]!.act('wait', '/db', '/db-wal')
  await cluster.nodes[1]!.kill()
  await second.close()
  // Its session ends after some seconds.
  await eventually('the node that was killed has the database no more', async () => {
    await using third = new SqliteProcess(here)
    return await insert(third, 1).then(
      () => true,
      () => false,
    )
  })
  await using last = new SqliteProcess(here)
  assert.equal(await count(last), rows + 1)
  assert.deepEqual(await last.run('PRAGMA integrity_check'), [{ integrity_check: 'ok' }])
})

test('SQLite with a rollback journal is for all nodes', { timeout: 120_000 }, async () => {
  await using cluster = await Cluster.start({ nodes: 2 })
  const [here, there] = [join(cluster.mount(0), 'db'), join(cluster.mount(1), 'db')]
  await using first = new SqliteProcess(here)
  await first.run('CREATE TABLE t (n)')
  await using second = new SqliteProcess(there)
  for (const database of [first, second]) await database.run('PRAGMA busy_timeout=60000')
  const rows = await Promise.all([insert(first, 20), insert(second, 20)])
  assert.deepEqual(rows, [20, 20])
  for (const database of [first, second]) {
    assert.equal(await count(database), 40)
    assert.deepEqual(await database.run('PRAGMA integrity_check'), [{ integrity_check: 'ok' }])
  }
})

for (const setup of ['always', 'off']) {
  test(`mapped where nobody else writes, passthrough ${setup}`, { timeout: 120_000 }, async () => {
    await using cluster = await Cluster.start({ nodes: 2, flags: [...PASSTHROUGH, setup] })
    const [here, there] = [join(cluster.mount(0), 'file'), join(cluster.mount(1), 'file')]
    for (const flags of ['w+', 'r+', 'a']) {
      const writer = fs.openSync(there, flags)
      fs.writeSync(writer, Buffer.alloc(BYTES, flags))
      assert.equal(mapped(here), 'ENODEV', flags)
      const reader = fs.openSync(here, 'r')
      assert.match(mapped(here), /^(ENODEV|EBUSY)$/, flags)
      // Ordinary writes are permitted, and both nodes see them.
      fs.appendFileSync(here, 'more')
      assert.equal(mapped(there), 'mapped', flags)
      fs.closeSync(writer)
      assert.equal(mapped(here), 'mapped', flags)
      fs.closeSync(reader)
    }
    // Mapped here first: the other node may write but not map.
    const map = await MappedFile.open(here, 4096, 'r+')
    assert.equal(mapped(there), 'ENODEV')
    await map.store(0, 'from memory')
    await map.unmap()
    await eventually('what was written to memory is committed', () => {
      return fs.readFileSync(there).subarray(0, 11).toString() === 'from memory'
    })
    assert.equal(mapped(there), 'mapped')
  })
}

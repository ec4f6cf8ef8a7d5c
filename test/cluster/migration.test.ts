/**
 * Migration of the metadata from SQLite to PostgreSQL while nodes stay mounted: all files are
 * unchanged, including pending uploads.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { censusOf } from '../fixtures/census.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { CoordinatorProcess } from '../fixtures/coordinator-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { PostgresServer } from '../fixtures/postgres-server.ts'

const PROGRAM = new URL('../../src/cli/coordinator.ts', import.meta.url).pathname
const FLAGS = ['-chunk-size', '64K', '-nvme-capacity', '50M']
/** Each file is two changes: the log has more than one page of the copy. */
const FILES = 520

function migrate(data: string, store: string): { status: number | null; text: string } {
  const env = { ...process.env, CACHEFS_STORE: store }
  const args = [PROGRAM, 'migrate', '-data', data]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  return { status, text: stdout + stderr }
}

test('from SQLite to PostgreSQL under mounted nodes', { timeout: 180_000 }, async () => {
  await using cluster = await Cluster.start({ nodes: 2, flags: FLAGS, store: 'sqlite' })
  await using server = await PostgresServer.start()
  const [here, there] = [cluster.mount(0), cluster.mount(1)]
  await fs.mkdir(join(here, 'many'))
  for (let at = 0; at < FILES; at++) await fs.writeFile(join(here, 'many', `f${at}`), `${at}`)
  await fs.writeFile(join(here, 'large'), Buffer.alloc(200_000, 'content '))
  await fs.symlink('large', join(here, 'link'))
  const before = censusOf(there)
  const [url, data] = [await server.database(), cluster.dataOf(0)]
  assert.match(migrate(data, url).text, /in use/, 'not under a coordinator')
  const port = cluster.coordinators[0]!.address.split(':')[1]!
  await cluster.killCoordinator('SIGTERM')
  assert.equal(migrate(data, 'sqlite').status, 2)
  const done = migrate(data, url)
  assert.equal(done.status, 0, done.text)
  assert.match(migrate(data, url).text, /there are no names to migrate/)
  const next = new CoordinatorProcess(['-port', port, '-data', data, '-store', url])
  cluster.coordinators[0] = next
  await next.start()
  await eventually('nodes go on', async () => {
    return await fs.writeFile(join(there, 'after'), 'more').then(
      () => true,
      () => false,
    )
  })
  assert.equal(await fs.readFile(join(here, 'after'), 'utf8'), 'more')
  await fs.rm(join(here, 'after'))
  for (const mount of [here, there]) assert.deepEqual(censusOf(mount), before)
  assert.ok((await fs.readFile(join(there, 'large'))).equals(Buffer.alloc(200_000, 'content ')))
})

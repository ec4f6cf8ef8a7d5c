/**
 * Full copies of the metadata for nodes that join: made concurrently with other work, shared by
 * nodes that ask together, and removed afterwards. A real database, read over HTTP.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, test } from 'node:test'
import fastify, { type FastifyInstance } from 'fastify'
import { MetadataStore } from '../../src/coordinator/metadata-store.ts'
import { Snapshots } from '../../src/coordinator/snapshots.ts'
import { metadataRoutes } from '../../src/http/coordinator/metadata-routes.ts'
import { limits } from '../../src/limits.ts'
import { S_IFREG } from '../../src/metadata/inode-rules.ts'
import { SqliteStoreEngine } from '../../src/metadata/sqlite/sqlite-store-engine.ts'

const NODES = 20
const FILES = 2_000
const TIME = { sec: 1, nsec: 0 }
const FILE = { mode: S_IFREG | 0o644, uid: 0, gid: 0, rdev: 0, target: null }

let folder = ''
let store: MetadataStore
let app: FastifyInstance
let url = ''
let made = 0
let seq = 0

function createFile(at: number): Promise<unknown> {
  const name = Buffer.from(`a file with a long name, so that there is something to copy: ${at}`)
  const asker = { peer: 'node', session: 'session', operation: at + 1 }
  const ino = 1000 + at
  return store.perform(asker, 'create', [1, name, { ...FILE, ino, seq: ino }, TIME])
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cachefs-snapshots-'))
  store = await MetadataStore.open(SqliteStoreEngine.open(join(folder, 'volume.db')))
  await Promise.all(Array.from({ length: FILES }, (_, at) => createFile(at)))
  made = 0
  seq = store.seq
  app = fastify()
  writeFileSync(join(folder, 'snapshot.3'), 'of a coordinator that was killed')
  const make = (path: string): Promise<void> => {
    made += 1
    return store.copyTo(path)
  }
  const source = { path: join(folder, 'snapshot'), make, seq: () => seq }
  metadataRoutes(app, '/snapshot', new Snapshots(source), () => undefined)
  url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/snapshot`
})

afterEach(async () => {
  app.server.closeAllConnections()
  await app.close()
  await store.close()
  rmSync(folder, { recursive: true })
})

/** Number of files in a copy. */
function filesIn(copy: ArrayBuffer): number {
  const path = join(folder, 'arrived')
  writeFileSync(path, Buffer.from(copy))
  const database = new DatabaseSync(path)
  try {
    const check = database.prepare('PRAGMA integrity_check').get()
    assert.deepEqual({ ...check }, { integrity_check: 'ok' })
    return Number(database.prepare('SELECT count(*) AS files FROM dentry').get()?.['files'])
  } finally {
    database.close()
    rmSync(path)
  }
}

const copiesLeft = (): string[] => readdirSync(folder).filter((it) => it.startsWith('snapshot'))

test('nodes that join together share one copy, of which nothing stays', async () => {
  assert.deepEqual(copiesLeft(), [], 'what a killed coordinator left is removed')
  const take = async (): Promise<ArrayBuffer> => await (await fetch(url)).arrayBuffer()
  const copies = await Promise.all(Array.from({ length: NODES }, take))
  assert.equal(made, 1)
  for (const copy of copies) assert.ok(Buffer.from(copy).equals(Buffer.from(copies[0]!)))
  assert.equal(filesIn(copies[0]!), FILES)
  assert.deepEqual(copiesLeft(), [])
  // A later request gets the state at that time.
  await createFile(FILES)
  assert.equal(filesIn(await take()), FILES + 1)
  assert.equal(made, 2)
})

test('a slow node keeps its copy, and others get a newer one when the log moves on', async () => {
  const slow = await fetch(url)
  await (await fetch(url)).arrayBuffer()
  assert.equal(made, 1)
  seq += limits.changeLogEntries
  await (await fetch(url)).arrayBuffer()
  assert.equal(made, 2)
  assert.equal(filesIn(await slow.arrayBuffer()), FILES)
})

test('the metadata is changed while it is copied', async () => {
  let isCopied = false
  const copying = store.copyTo(join(folder, 'copy')).then(() => (isCopied = true))
  for (let at = 0; at < 10; at++) await createFile(FILES + at)
  assert.equal(isCopied, false, 'ten changes were made meanwhile')
  await copying
})

test('a disk without room for a copy is told, keeps none, and harms nothing', async () => {
  const full = join(folder, 'full')
  mkdirSync(full)
  const mount = ['-t', 'tmpfs', '-o', 'size=64k', 'none', full]
  assert.equal(spawnSync('mount', mount).status, 0)
  try {
    await assert.rejects(store.copyTo(join(full, 'copy')), { code: 'ENOSPC' })
    assert.deepEqual(readdirSync(full), [])
    await createFile(FILES)
  } finally {
    spawnSync('umount', [full])
  }
})

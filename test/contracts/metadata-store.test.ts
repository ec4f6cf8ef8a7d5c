/**
 * The metadata store on every engine: the log has all commits in their order, no operation runs
 * twice, a rejected operation leaves nothing behind, and a copy has a consistent state.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { FsError } from '../../src/base/fs-error.ts'
import { MetadataStore, type Asker } from '../../src/coordinator/metadata-store.ts'
import { limits } from '../../src/limits.ts'
import { applyChanges, copyState } from '../../src/metadata/change.ts'
import { getInode, listXattr, S_IFREG } from '../../src/metadata/inode-rules.ts'
import { REPLICA_SCHEMA, SCHEMA, TABLES } from '../../src/metadata/schema.ts'
import { openMutex } from '../fixtures/store-fixture.ts'
import { SqliteEngine } from '../../src/metadata/sqlite/sqlite-engine.ts'
import { change, one, type Rule } from '../../src/metadata/statement.ts'
import { STORES, type Stores, type OpenStore } from '../fixtures/store-fixture.ts'

const TIME = { sec: 2 ** 40, nsec: 999_999_999 }
const FILE = { mode: S_IFREG | 0o644, uid: 2 ** 32 - 2, gid: 0, rdev: 0, target: null }

let opened: OpenStore
let store: MetadataStore

const asker = (operation: number, session = 's'): Asker => ({ peer: 'n', session, operation })

async function create(name: string, operation: number, session = 's'): Promise<number | undefined> {
  const ino = 1000 + operation + (session === 's' ? 0 : 100_000)
  const wanted = { ...FILE, ino, seq: ino }
  const by = asker(operation, session)
  const done = await store.perform(by, 'create', [1, Buffer.from(name), wanted, TIME])
  return done.change?.seq
}

const cases = new Map<string, () => Promise<void>>()
function holds(what: string, check: () => Promise<void>): void {
  cases.set(what, check)
}

holds('the log has every change in the order of commits, without gaps', async () => {
  const inOrder: (number | undefined)[] = []
  const all = Array.from({ length: 300 }, async (_, at) => {
    inOrder.push(await create(`f${at}`, at + 1))
  })
  await Promise.all(all)
  const numbers = Array.from({ length: 300 }, (_, at) => at + 1)
  assert.deepEqual(inOrder, numbers, 'answered in order')
  const changes = await store.changesAfter(0)
  assert.deepEqual(
    changes.map(({ seq }) => seq),
    numbers,
  )
  assert.equal(store.seq, 300)
  assert.ok(store.reaches(0) && store.reaches(300) && !store.reaches(301))
})

holds('a repeated operation runs once, also after a restart', async () => {
  assert.equal(await create('a', 5), 1)
  assert.equal(await create('a', 5), 1)
  const both = await Promise.all([create('b', 6), create('b', 6)])
  assert.deepEqual(both, [2, 2])
  opened = await opened.reopen()
  store = await MetadataStore.open(opened.engine)
  assert.equal(store.seq, 2)
  assert.equal(await create('b', 6), 2)
  assert.equal(await create('a', 5), 1, 'repeated late')
  await assert.rejects(create('a', 5, 'other'), { code: 'EEXIST' })
  assert.equal(store.seq, 2)
})

holds('a rejected operation changes nothing and delays no concurrent one', async () => {
  await create('a', 1)
  const outcomes = await Promise.allSettled([
    create('b', 2),
    create('a', 3),
    create('c', 4),
    opened.engine.transact(changingThenFailing),
    create('d', 5),
  ])
  const codes = outcomes.map((outcome) => {
    return outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as FsError).code
  })
  assert.deepEqual(codes, ['ok', 'EEXIST', 'ok', 'EPERM', 'ok'])
  assert.equal(store.seq, 4)
  assert.equal(await opened.engine.read(() => settingOf('half')), undefined)
})

const setHalf = change('test.setHalf', `INSERT INTO setting (name, value) VALUES ('half', ?)`)
const selectSetting = one<{ value: string }>('SELECT value FROM setting WHERE name = ?')

function* changingThenFailing(): Rule<void> {
  yield* setHalf('done')
  throw new FsError('EPERM', 'and no further')
}

function* settingOf(name: string): Rule<string | undefined> {
  return (yield* selectSetting(name))?.value
}

holds('numbers and bytes are stored exactly', async () => {
  const ino = await create('a', 1).then(() => 1001)
  const row = await store.read(() => getInode(ino))
  assert.deepEqual([row.uid, row.mtimeSec, row.mtimeNsec], [FILE.uid, TIME.sec, TIME.nsec])
  const size = limits.fileBytes
  const commit = { size, floor: 0, blocks: 8, mtime: TIME, ctime: TIME, chunks: [] }
  await store.perform(asker(2), 'commitContent', [ino, commit, 4096])
  assert.equal((await store.read(() => getInode(ino))).size, size)
  const [name, value] = [Buffer.from([0x75, 0xff, 0x27, 0x3f]), Buffer.from([0, 255, 92, 39])]
  await store.perform(asker(3), 'setXattr', [ino, name, value, 0, TIME])
  const names = await store.read(() => listXattr(ino))
  assert.deepEqual(
    names.map((bytes) => [...bytes]),
    [[...name]],
  )
  assert.equal((await store.totals()).bytes, size + 4096)
})

holds('nodes whose lease may be valid are known after a restart', async () => {
  await Promise.all([store.addSession('a'), store.addSession('b'), store.removeSession('a')])
  await store.addSession('b')
  opened = await opened.reopen()
  store = await MetadataStore.open(opened.engine)
  assert.deepEqual(store.earlierSessions, ['b'])
})

function contentOf(path: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return TABLES.map((table) => database.prepare(`SELECT * FROM ${table}`).all())
  } finally {
    database.close()
  }
}

holds('a copy has a consistent state; later changes bring it up to date', async () => {
  const paths = [1, 2].map((at) => join(tmpdir(), `cachefs-copy-${process.pid}-${at}`))
  const [early, late] = paths as [string, string]
  try {
    const count = limits.storePage + 100
    const before = Array.from({ length: count }, (_, at) => create(`${at}`, at + 1))
    const copying = store.settled().then(() => store.copyTo(early))
    const meanwhile = Array.from({ length: 200 }, (_, at) => create(`later${at}`, count + at + 1))
    await Promise.all([...before, copying, ...meanwhile])
    await store.copyTo(late)
    const engine = new SqliteEngine(early, openMutex())
    for (const sql of [...SCHEMA, REPLICA_SCHEMA]) engine.execute(sql)
    const state = engine.read(copyState())
    assert.ok(state.seq >= count, `${state.seq}`)
    assert.equal(state.store, store.store)
    const changes = await store.changesAfter(state.seq)
    engine.transact(applyChanges(state.store, changes))
    assert.equal(engine.read(copyState()).seq, store.seq)
    engine.close()
    assert.deepEqual(contentOf(early), contentOf(late))
  } finally {
    for (const path of paths.flatMap((it) => [it, `${it}-wal`, `${it}-shm`]))
      rmSync(path, { force: true })
  }
})

for (const kind of STORES) {
  describe(`metadata store on ${kind.name}`, () => {
    let stores: Stores
    before(async () => {
      stores = await kind.start()
    })
    after(() => stores[Symbol.asyncDispose]())
    beforeEach(async () => {
      opened = await stores.open()
      store = await MetadataStore.open(opened.engine)
    })
    afterEach(() => opened[Symbol.asyncDispose]())
    for (const [what, check] of cases) test(what, check)
  })
}

/**
 * Several coordinators on one PostgreSQL: one leads at a time, a replaced one can commit nothing
 * however late it wakes, and outages of the database are survived. The tables in PostgreSQL are
 * those of SQLite.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { FsError } from '../../src/base/fs-error.ts'
import { loggerOf } from '../../src/base/log/logger.ts'
import { MetadataStore } from '../../src/coordinator/metadata-store.ts'
import { limits } from '../../src/limits.ts'
import type { MetadataSource, LeaderTerm } from '../../src/metadata/store-engine.ts'
import { parsePostgresUrl } from '../../src/metadata/postgres/connection-settings.ts'
import { PostgresStoreEngine } from '../../src/metadata/postgres/postgres-store-engine.ts'
import type { Term } from '../../src/metadata/postgres/term.ts'
import { SCHEMA, TABLES } from '../../src/metadata/schema.ts'
import { SqliteEngine } from '../../src/metadata/sqlite/sqlite-engine.ts'
import { many } from '../../src/metadata/statement.ts'
import { getSetting } from '../../src/metadata/volume-rules.ts'
import { eventually } from '../fixtures/eventually.ts'
import { openMutex, postgresSource } from '../fixtures/store-fixture.ts'
import { PostgresServer } from '../fixtures/postgres-server.ts'

const PAUSED_LEADER = new URL('../fixtures/paused-leader.ts', import.meta.url).pathname
const NEVER = new AbortController().signal

async function set(store: MetadataStore, name: string, value: string): Promise<void> {
  await store.performOwn('setSetting', [name, value])
}

async function dispose(source: MetadataSource, term: LeaderTerm): Promise<void> {
  await term.engine.close()
  await term.resign()
  await source.close()
}

describe('coordinators on one PostgreSQL', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server[Symbol.asyncDispose]())

  test('one leads; when it resigns, the next one takes over at once', async () => {
    const url = await server.database()
    const [first, second] = await Promise.all([postgresSource(url, 'a'), postgresSource(url, 'b')])
    const term = await first.next(NEVER)
    const store = await MetadataStore.open(term.engine)
    await set(store, 'who', 'a')
    let isNext = false
    const next = second.next(NEVER).then((later) => {
      isNext = true
      return later
    })
    await delay(limits.leaderTtlMs + 2 * limits.leaderPollMs)
    assert.equal(isNext, false, 'while the leader is alive')
    assert.equal(second.leaderUrl, 'http://a:8080')
    const beganMs = performance.now()
    await dispose(first, term)
    const later = await next
    assert.ok(performance.now() - beganMs < limits.leaderTtlMs, 'without waiting')
    const again = await MetadataStore.open(later.engine)
    assert.deepEqual([again.store, again.seq], [store.store, 1])
    await dispose(second, later)
  })

  test('a replaced leader commits nothing', async () => {
    const url = await server.database()
    const [first, second] = await Promise.all([postgresSource(url, 'a'), postgresSource(url, 'b')])
    const term = await first.next(NEVER)
    const store = await MetadataStore.open(term.engine)
    await set(store, 'who', 'a')
    // As after a pause of the first one, which is not aware of it.
    await server.query(databaseOf(url), `UPDATE leader SET holder = 'b' WHERE id = 1`)
    const later = await second.next(NEVER)
    const successor = await MetadataStore.open(later.engine)
    const outcomes = await Promise.allSettled([set(store, 'who', 'late'), set(store, 'x', 'y')])
    for (const outcome of outcomes) {
      assert.equal(outcome.status, 'rejected')
      assert.equal((outcome.reason as FsError).code, 'EAGAIN')
    }
    assert.equal(store.leads(), false)
    await term.over
    await set(successor, 'who', 'b')
    assert.equal(successor.seq, 2)
    await dispose(first, term)
    await dispose(second, later)
  })

  test('a replaced leader with a wrong clock is rejected too', async () => {
    const url = await server.database()
    const source = await postgresSource(url, 'a')
    const term = await source.next(NEVER)
    await set(await MetadataStore.open(term.engine), 'who', 'a')
    let isOver = false
    const believes = {
      epoch: 0,
      get isOver() {
        return isOver
      },
      leads: () => true,
      end: () => (isOver = true),
    } as unknown as Term
    const engine = new PostgresStoreEngine(parsePostgresUrl(url), believes, loggerOf('COORDINATOR'))
    await assert.rejects(MetadataStore.open(engine), { code: 'EAGAIN' })
    assert.equal(isOver, true)
    await dispose(source, term)
  })

  test('a leader paused in a transaction delays nobody and is fenced', async () => {
    const url = await server.database()
    const leader = spawn(process.execPath, [PAUSED_LEADER, url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: leader.stdout })[Symbol.asyncIterator]()
    try {
      assert.equal((await lines.next()).value, 'in the middle')
      await eventually('it is stopped', () => {
        return /^State:\s+T/m.test(readFileSync(`/proc/${leader.pid}/status`, 'utf8'))
      })
      const source = await postgresSource(url, 'b')
      // The locks are released when the database ends the transaction, not when its process wakes.
      const boundMs = limits.leaderTtlMs + limits.storeIdleMs + limits.storeStatementMs
      const term = await source.next(AbortSignal.timeout(boundMs))
      const successor = await MetadataStore.open(term.engine)
      assert.equal(await term.engine.read(() => getSetting('who')), 'first')
      await set(successor, 'who', 'b')
      leader.kill('SIGCONT')
      assert.equal((await lines.next()).value, 'EAGAIN', 'another coordinator leads')
      assert.equal(await term.engine.read(() => getSetting('who')), 'b')
      await dispose(source, term)
    } finally {
      leader.kill('SIGKILL')
    }
  })

  test('across a restart of the database, an operation runs once or is rejected', async () => {
    const url = await server.database()
    const source = await postgresSource(url, 'a')
    const term = await source.next(NEVER)
    const store = await MetadataStore.open(term.engine)
    let acknowledged = 0
    const stop = new AbortController()
    const writing = (async () => {
      for (let at = 1; !stop.signal.aborted; at++) {
        await set(store, 'count', `${at}`)
        acknowledged = at
      }
    })()
    for (const signal of ['SIGQUIT', 'SIGINT'] as const) {
      const before = acknowledged
      while (acknowledged < before + 20) await delay(5)
      await server.stop(signal)
      await delay(300)
      await server.start()
    }
    const before = acknowledged
    while (acknowledged < before + 20) await delay(5)
    stop.abort()
    await writing
    assert.equal(store.seq, acknowledged)
    assert.equal(store.leads(), true)
    await dispose(source, term)
  })

  test('the tables are those of SQLite', async () => {
    const url = await server.database()
    const source = await postgresSource(url, 'a')
    const term = await source.next(NEVER)
    const engine = new SqliteEngine(':memory:', openMutex())
    for (const sql of SCHEMA) engine.execute(sql)
    for (const table of TABLES) {
      const sql = `SELECT column_name AS name, is_nullable AS "isNullable"
        FROM information_schema.columns WHERE table_name = '${table}' ORDER BY ordinal_position`
      const there = (await server.query(databaseOf(url), sql)).map(({ name }) => name)
      const columns = many<{ name: string }>(`SELECT name FROM pragma_table_info('${table}')`)
      const here = engine.read(columns()).map(({ name }) => name)
      assert.deepEqual(there, here, table)
    }
    engine.close()
    await dispose(source, term)
  })

  test('a database of a newer version is not touched', async () => {
    const url = await server.database()
    const first = await postgresSource(url, 'a')
    await dispose(first, await first.next(NEVER))
    await server.query(databaseOf(url), 'UPDATE schema_version SET version = 1000')
    const second = await postgresSource(url, 'b')
    const stop = AbortSignal.timeout(1500)
    await assert.rejects(second.next(stop))
    const [row] = await server.query(databaseOf(url), 'SELECT holder FROM leader')
    assert.equal(row?.['holder'], '')
    await second.close()
  })

  test('an unreachable or unusable database is one message without the password', async () => {
    const { port } = new URL(await server.database())
    for (const [url, message] of [
      [`postgres://u:secret@127.0.0.1:1/db`, /postgres:\/\/u@127\.0\.0\.1:1\/db is unreachable/],
      [`postgres://cachefs:secret@127.0.0.1:${port}/nothing`, /"nothing" does not exist/],
      [`postgres://nobody:secret@127.0.0.1:${port}/postgres`, /"nobody" does not exist/],
    ] as const) {
      const error = await postgresSource(url).then(
        () => undefined,
        (reason: unknown) => reason as Error,
      )
      assert.match(error?.message ?? '', message)
      assert.doesNotMatch(error?.message ?? '', /secret/)
    }
  })
})

function databaseOf(url: string): string {
  return new URL(url).pathname.slice(1)
}

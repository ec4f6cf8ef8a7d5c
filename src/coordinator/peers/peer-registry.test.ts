/**
 * The registry of nodes over a real database, with a clock that the test advances.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { limits } from '../../limits.ts'
import { CoordinatorDatabase } from '../coordinator-database.ts'
import { PeerRegistry } from './peer-registry.ts'

const { peerSilentMs, peerStaleMs } = limits

class Fixture {
  readonly directory = mkdtempSync(join(tmpdir(), 'cachefs-peers-'))
  nowMs = 1000
  database = CoordinatorDatabase.open(this.directory)
  registry = this.#open()
  changes: string[] = []

  constructor(t: TestContext) {
    t.after(() => {
      this.database.close()
      rmSync(this.directory, { recursive: true })
    })
  }

  #open(): PeerRegistry {
    const registry = new PeerRegistry({ store: this.database.peers, nowMs: () => this.nowMs })
    registry.onChange(({ kind, peer }) => this.changes.push(`${peer.id} ${kind} ${peer.state}`))
    return registry
  }

  /** Restarts as after a kill of the coordinator: nothing is saved first. */
  restart(): void {
    this.database.close()
    this.database = CoordinatorDatabase.open(this.directory)
    this.registry = this.#open()
  }

  add(id: string, url = `http://10.0.0.1:${8081 + this.registry.list().length}`): void {
    this.registry.register({ id, url, capacityBytes: 100, version: '1.2.3' })
  }

  ids(): string[] {
    return this.registry.list().map(({ id }) => id)
  }
}

test('who registers is listed, by id, with what it reports', (t) => {
  const it = new Fixture(t)
  it.add('b', 'http://10.0.0.2:8081/')
  it.add('a')
  const [a, b] = it.registry.list()
  assert.deepEqual([a?.id, b?.id, b?.url], ['a', 'b', 'http://10.0.0.2:8081'])
  assert.deepEqual([a?.state, a?.capacityBytes, a?.usedBytes], ['ok', 100, 0])
  it.registry.status('a', { usedBytes: 7, hits: 3 })
  it.nowMs += 10
  const later = it.registry.status('a', { capacityBytes: 200, health: 'degraded' })
  const { usedBytes, hits, capacityBytes, state, silentMs } = later
  assert.deepEqual([usedBytes, hits, capacityBytes, state, silentMs], [7, 3, 200, 'degraded', 0])
  assert.deepEqual(it.registry.get('a'), later)
  assert.equal(it.registry.get('c'), undefined)
})

test('a silent node is called so, and dropped after a minute', (t) => {
  const it = new Fixture(t)
  it.add('a')
  it.add('b')
  it.nowMs += peerSilentMs
  it.registry.status('b', {})
  assert.deepEqual(
    it.registry.list().map(({ state }) => state),
    ['silent', 'ok'],
  )
  it.nowMs += peerStaleMs - peerSilentMs - 1
  assert.deepEqual(it.ids(), ['a', 'b'])
  it.registry.heard('b')
  it.nowMs += 1
  assert.deepEqual(it.ids(), ['b'])
  assert.throws(() => it.registry.status('a', {}), { code: 'ENOENT' })
  assert.throws(() => it.registry.remove('a'), { code: 'ENOENT' })
  it.nowMs += peerStaleMs
  assert.equal(it.registry.get('b'), undefined, 'though nobody swept')
})

test('listeners hear who comes, moves, falls silent, speaks again and leaves', (t) => {
  const it = new Fixture(t)
  it.add('a', 'http://10.0.0.1:1')
  it.add('a', 'http://10.0.0.1:1')
  it.registry.status('a', { usedBytes: 1 })
  it.add('a', 'http://10.0.0.1:2')
  it.registry.status('a', { health: 'degraded' })
  it.nowMs += peerSilentMs
  it.registry.sweep()
  it.registry.sweep()
  it.registry.heard('a')
  it.registry.remove('a')
  it.add('b')
  it.nowMs += peerStaleMs
  it.registry.sweep()
  assert.deepEqual(it.changes, [
    'a joined ok',
    'a moved ok',
    'a state degraded',
    'a state silent',
    'a state degraded',
    'a left degraded',
    'b joined ok',
    'b left ok',
  ])
  const changes: unknown[] = []
  const stop = it.registry.onChange((change) => changes.push(change))
  it.add('c')
  stop()
  it.add('d')
  assert.equal(changes.length, 1)
})

test('a restart loses nobody, and gives each a minute to be heard of', (t) => {
  const it = new Fixture(t)
  for (const id of ['a', 'b', 'gone', 'removed']) it.add(id)
  it.registry.remove('removed')
  it.nowMs += peerStaleMs - 1
  it.registry.status('a', { usedBytes: 9, health: 'degraded' })
  it.registry.heard('b')
  it.nowMs += 1
  it.registry.sweep()
  it.registry.save()
  it.nowMs += 3_600_000
  it.restart()
  const [a] = it.registry.list()
  assert.deepEqual(it.ids(), ['a', 'b'])
  assert.deepEqual([a?.usedBytes, a?.state, a?.capacityBytes], [9, 'degraded', 100])
  it.nowMs += peerStaleMs - 1
  it.registry.heard('b')
  it.nowMs += 1
  assert.deepEqual(it.ids(), ['b'])
})

test('a registration is kept though nothing is saved after it', (t) => {
  const it = new Fixture(t)
  it.add('a')
  it.restart()
  assert.deepEqual(it.ids(), ['a'])
})

test('what cannot be is refused, and changes nothing', (t) => {
  const it = new Fixture(t)
  const good = { id: 'a', url: 'http://10.0.0.1:8081', capacityBytes: 1, version: '1' }
  const bad: Partial<typeof good>[] = [{ id: '' }, { id: 'a b' }, { id: '-a' }, { id: 'a\n' }]
  bad.push({ id: 'x'.repeat(64) }, { version: 'x'.repeat(65) }, { version: '1\n' })
  for (const url of ['', '10.0.0.1:8081', 'ftp://a', 'http://', 'http://me:pass@a', 'http://a?b']) {
    bad.push({ url })
  }
  bad.push({ url: `http://${'a'.repeat(600)}` })
  for (const capacityBytes of [-1, NaN, Infinity, 2 ** 53]) bad.push({ capacityBytes })
  for (const change of bad) {
    const registration = { ...good, ...change }
    assert.throws(
      () => it.registry.register(registration),
      { code: 'EINVAL' },
      JSON.stringify(change),
    )
  }
  assert.deepEqual(it.ids(), [])
  it.registry.register(good)
  assert.throws(() => it.registry.status('a', { usedBytes: 5, hits: -1 }), { code: 'EINVAL' })
  const odd = { usedBytes: 5, health: 'fine' } as object
  assert.throws(() => it.registry.status('a', odd), { code: 'EINVAL' })
  assert.equal(it.registry.get('a')?.usedBytes, 0)
})

test('who was dropped is remembered, also by the next coordinator, until it is back', (t) => {
  const it = new Fixture(t)
  it.add('stays')
  it.add('goes')
  const goneMs = Date.now()
  it.nowMs += peerStaleMs
  it.registry.heard('stays')
  assert.deepEqual(it.ids(), [])
  it.add('stays')
  const away = (): string[] => it.registry.away().map(({ id }) => id)
  assert.deepEqual(away(), ['goes'])
  const [{ since } = { since: '' }] = it.registry.away()
  assert.ok(Math.abs(Date.parse(since) - (goneMs - peerStaleMs)) < 60_000, since)
  it.registry.save()
  it.restart()
  assert.deepEqual(it.registry.away(), [{ id: 'goes', url: 'http://10.0.0.1:8082', since }])
  it.add('goes')
  assert.deepEqual(away(), [])
  it.registry.save()
  it.restart()
  assert.deepEqual(away(), [])
})

test('of those that have gone the last are remembered', (t) => {
  const it = new Fixture(t)
  for (let i = 0; i < limits.awayPeers + 3; i++) {
    it.add(`n${i}`)
    it.nowMs += peerStaleMs
    it.registry.sweep()
  }
  const away = it.registry.away()
  assert.deepEqual([away.length, away[0]?.id], [limits.awayPeers, 'n3'])
})

test('there is room for so many, and for one more when one is gone', (t) => {
  const it = new Fixture(t)
  const none = { save: () => undefined, remove: () => undefined, saveAway: () => undefined }
  const store = { ...none, load: () => [], loadAway: () => [] }
  const registry = new PeerRegistry({ store, nowMs: () => it.nowMs })
  const add = (id: string): unknown =>
    registry.register({ id, url: 'http://10.0.0.1:1', capacityBytes: 1, version: '1' })
  for (let i = 0; i < limits.peers; i++) add(`n${i}`)
  assert.throws(() => add('one-more'), { code: 'EAGAIN' })
  add('n0')
  it.nowMs += peerStaleMs - 1
  for (let i = 1; i < limits.peers; i++) registry.heard(`n${i}`)
  it.nowMs += 1
  add('one-more')
  assert.equal(registry.list().length, limits.peers)
})

test('any: some that are heard of, never oneself, each as likely as another', (t) => {
  const it = new Fixture(t)
  for (const id of ['a', 'b', 'c', 'd', 'silent']) it.add(id)
  it.nowMs += peerSilentMs
  for (const id of ['a', 'b', 'c', 'd']) it.registry.heard(id)
  const first: Record<string, number> = {}
  for (let i = 0; i < 3000; i++) {
    const [one, two, more] = it.registry.any(2, 'a').map(({ id }) => id)
    assert.ok(one !== undefined && two !== undefined && one !== two && more === undefined)
    first[one] = (first[one] ?? 0) + 1
  }
  assert.deepEqual(Object.keys(first).sort(), ['b', 'c', 'd'])
  // 1000 each, within six standard deviations.
  for (const [id, times] of Object.entries(first)) assert.ok(Math.abs(times - 1000) < 160, id)
  assert.equal(it.registry.any(10).length, 4)
})

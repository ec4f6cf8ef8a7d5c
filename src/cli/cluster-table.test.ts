/** Tests the output for a cluster. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerStatus } from '../tiers/peers/peer-status.ts'
import { clusterLines } from './cluster-table.ts'

const GB = 2 ** 30

function peer(id: string, changes: Partial<PeerStatus> = {}): PeerStatus {
  return {
    id,
    url: `http://${id}:8081`,
    version: '1.0.0',
    state: 'ok',
    health: 'ok',
    registeredAt: '2026-01-01T00:00:00.000Z',
    silentMs: 0,
    usedBytes: 0,
    capacityBytes: 10 * GB,
    hits: 0,
    misses: 0,
    peerHits: 0,
    peerBytes: 0,
    cloudReads: 0,
    cloudBytes: 0,
    backlogBytes: 0,
    backlogAgeMs: 0,
    ...changes,
  }
}

test('a line for each node, in columns', () => {
  const since = '2026-01-01T00:00:00.000Z'
  const busy = { usedBytes: 5 * GB, hits: 3, misses: 1, peerHits: 1 }
  const lines = clusterLines({
    self: 'a',
    coordinator: { url: 'http://c:8080', connected: true, since },
    peers: [
      peer('a', { ...busy, backlogBytes: GB, backlogAgeMs: 2400 }),
      peer('node-2', { state: 'silent', silentMs: 20_000 }),
    ],
    away: [{ id: 'node-3', url: 'http://node-3:8081', since }],
  })
  assert.deepEqual(lines, [
    `coordinator http://c:8080: connected since ${since}`,
    'node      state        used    capacity  hits  from peers  backlog      api',
    'a (this)  ok           5.0 GB  10 GB     75 %  100 %       1.0 GB, 2 s  http://a:8081',
    'node-2    silent 20 s  0 B     10 GB     -     -           none         http://node-2:8081',
    `node-3    away since ${since}  http://node-3:8081`,
  ])
})

test('a coordinator that is away is said to be', () => {
  const coordinator = { url: 'http://c:8080', connected: false, since: 'noon' }
  const [line] = clusterLines({ self: 'a', coordinator, peers: [] })
  assert.equal(line, 'coordinator http://c:8080: away since noon')
})

/**
 * Many nodes that join and leave together: each is sent every other node a few times, not the whole
 * list at every change. Real links to a real coordinator; the test counts entries and measures no
 * time.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CoordinatorProcess } from '../fixtures/coordinator-process.ts'
import { LinkClient } from '../fixtures/link-client.ts'

const KEY = 'the key of the crowd'
const NODES = 60

test('a node is told of each other a few times, however many come and go', async () => {
  const data = mkdtempSync(join(tmpdir(), 'cachefs-crowd-'))
  const coordinator = new CoordinatorProcess(['-data', data, '-api-key', KEY])
  await coordinator.start()
  const clients: LinkClient[] = []
  try {
    // One after the other: one change per node.
    for (let at = 0; at < NODES; at++) {
      clients.push(await LinkClient.connect(coordinator.address, KEY, `node-${at}`))
    }
    const [first, ...others] = clients as [LinkClient, ...LinkClient[]]
    for (const client of clients) await client.until(() => client.peers.size === NODES)
    for (const { id, peerEntries } of clients) {
      assert.ok(peerEntries <= 4 * NODES, `${id} was sent ${peerEntries} entries`)
    }
    const before = first.peerEntries
    for (const client of others) client[Symbol.dispose]()
    await first.until(() => first.peers.size === 1)
    assert.ok(first.peerEntries - before <= 2 * NODES, 'who leaves is told by id')
  } finally {
    for (const client of clients) client[Symbol.dispose]()
    await coordinator.kill()
    rmSync(data, { recursive: true })
  }
})

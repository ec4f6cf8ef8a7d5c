/**
 * State that a cluster reports: which nodes are online, which have a file, and which problems
 * exist.
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from '../../src/limits.ts'
import type { PeerStatus } from '../../src/tiers/peers/peer-status.ts'
import { Cluster } from '../fixtures/cluster.ts'
import type { Fetch } from '../fixtures/keyed-fetch.ts'
import { withFuse } from '../mount/fuse-scratch.ts'

let keyed: Fetch = fetch

async function ask<T>(url: string): Promise<T> {
  const answer = await keyed(url)
  assert.equal(answer.status, 200, url)
  return (await answer.json()) as T
}

/** Polls a condition: reports arrive every few seconds. */
async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 3 * limits.peerReportMs
  while (!(await check())) {
    assert.ok(performance.now() < deadlineMs, what)
    await sleep(100)
  }
}

test('the coordinator and every node tell who is there, and who has a file', withFuse, async () => {
  await using cluster = await Cluster.start({ nodes: 2 })
  const coordinator = cluster.coordinatorUrl
  const nodes = cluster.nodes.map(({ api }) => api)
  keyed = cluster.fetch
  mkdirSync(join(cluster.mount(0), 'folder'))
  writeFileSync(join(cluster.mount(0), 'folder/file'), 'x'.repeat(100_000))

  for (const api of [coordinator, ...nodes]) {
    await until(`${api} lists both nodes, and what the first has`, async () => {
      const peers = await ask<PeerStatus[]>(`${api}/api/peers`)
      const [first, second] = peers
      if (first?.id !== 'n0' || second?.id !== 'n1' || peers.length !== 2) return false
      return first.state === 'ok' && first.usedBytes >= 100_000
    })
  }
  const location = `${coordinator}/api/files/location`
  const where = await ask<{ sizeBytes: number; peers: PeerStatus[] }>(
    `${location}?path=/folder/file`,
  )
  assert.deepEqual([where.sizeBytes, where.peers.map(({ url }) => url)], [100_000, [nodes[0]]])
  const body = JSON.stringify({ path: '/folder/file', peerId: 'n1' })
  const headers = { 'content-type': 'application/json' }
  assert.equal((await keyed(location, { method: 'PUT', body, headers })).status, 200)
  const both = await ask<{ peers: PeerStatus[] }>(`${location}?path=/folder/file`)
  assert.deepEqual(both.peers.map(({ id }) => id).sort(), ['n0', 'n1'])
  for (const query of ['path=/folder/none', 'path=/folder/file/below', 'ino=123456789']) {
    assert.equal((await keyed(`${location}?${query}`)).status, 404, query)
  }
})

test(
  'a coordinator that is stopped ends at once, and nodes say that it is away',
  withFuse,
  async () => {
    await using cluster = await Cluster.start({ nodes: 1 })
    const [node] = cluster.nodes
    const health = (): Promise<{ status: string; problems: string[] }> =>
      ask(`${node!.api}/api/health`)
    assert.equal((await health()).status, 'ok')
    const startedMs = performance.now()
    await cluster.killCoordinator('SIGTERM')
    assert.ok(performance.now() - startedMs < 3000, 'it waited for the link of a node')
    await until('the node says so', async () => (await health()).status === 'degraded')
    const [problem] = (await health()).problems
    const ready = async (): Promise<number> => (await fetch(`${node!.api}/api/health/ready`)).status
    assert.equal(await ready(), 503)
    assert.equal((await fetch(`${node!.api}/api/health/live`)).status, 200)
    assert.match(
      problem ?? '',
      /the coordinator http:\/\/127\.0\.0\.1:\d+ has not been reachable since/,
    )
    await cluster.startCoordinator()
    await until('it is back', async () => (await health()).status === 'ok')
    assert.equal(await ready(), 200)
    assert.equal((await fetch(`${cluster.coordinatorUrl}/api/health/ready`)).status, 200)
  },
)

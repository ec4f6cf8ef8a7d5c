/** Tests which problems a node reports, and which of them make it not ready. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { healthOf } from '../http/server/problem.ts'
import { NodeProblems } from './node-problems.ts'
import type { NodeParts } from './node-problems.ts'

const MOUNT = {
  mountPoint: '/mnt',
  root: '/',
  device: '0:1',
  type: 'fuse.cachefs',
  source: 'cachefs',
}
const MOUNTED: NodeParts = {
  mountPoint: '/mnt',
  findMount: () => MOUNT,
  cluster: undefined,
  cloud: { name: 's3://b' },
  objects: () => undefined,
  uploads: { failure: undefined },
  unavailable: { found: undefined },
  damaged: () => undefined,
  replaced: () => [],
  namesBefore: () => undefined,
  kept: { path: '/nvme/damaged', recentUse: () => ({ entries: 1, bytes: 1, isFull: false }) },
}
const since = new Date(0)

test('a node that has everything lacks nothing', () => {
  assert.deepEqual(new NodeProblems(MOUNTED).list(), [])
})

test('a coordinator that is away is blocking, one that is there is no problem', () => {
  const view = (connected: boolean): NodeParts['cluster'] => ({
    self: 'a',
    peers: () => [],
    away: () => [],
    coordinator: { url: 'http://c:8080', connected, since, refusal: undefined },
  })
  assert.deepEqual(new NodeProblems({ ...MOUNTED, cluster: view(true) }).list(), [])
  const [problem, ...others] = new NodeProblems({ ...MOUNTED, cluster: view(false) }).list()
  assert.deepEqual([problem?.blocking, others], [true, []])
  assert.deepEqual(healthOf([problem!]), {
    status: 'degraded',
    problems: [
      'the coordinator http://c:8080 has not been reachable since 1970-01-01T00:00:00.000Z',
    ],
  })
})

test('a cloud that is away is no reason to send nobody here', () => {
  const uploads = { failure: { since, reason: 'no route' } }
  const [problem] = new NodeProblems({ ...MOUNTED, uploads }).list()
  assert.equal(problem?.blocking, false)
  const sentence = 's3://b takes no uploads since 1970-01-01T00:00:00.000Z: no route'
  assert.deepEqual(healthOf([problem]).problems, [sentence])
})

test('a full folder of damaged files is a problem until it is emptied', () => {
  let isFull = true
  const kept = { path: '/nvme/damaged', recentUse: () => ({ entries: 256, bytes: 1, isFull }) }
  const problems = new NodeProblems({ ...MOUNTED, kept })
  assert.match(problems.list()[0]?.what ?? '', /^\/nvme\/damaged has been full \(256 entries/)
  isFull = false
  assert.deepEqual(problems.list(), [])
})

test('nothing is mounted: since it was seen first, until it is mounted', () => {
  let mount: ReturnType<NodeParts['findMount']>
  const problems = new NodeProblems({ ...MOUNTED, findMount: () => mount })
  const [first] = problems.list()
  const [second] = problems.list()
  assert.deepEqual([first?.blocking, first?.since], [true, second?.since])
  mount = MOUNTED.findMount('/mnt')
  assert.deepEqual(problems.list(), [])
  mount = { ...mount!, type: 'ext4' }
  assert.match(problems.list()[0]?.what ?? '', /^nothing has been mounted at \/mnt/)
})

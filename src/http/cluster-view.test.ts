/** What a node says of a cluster that it has lost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clusterProblem } from './cluster-view.ts'

test('a coordinator that is away is a problem, one that is there is none', () => {
  const since = new Date(0)
  const view = (connected: boolean) => ({
    self: 'a',
    peers: () => [],
    coordinator: { url: 'http://c:8080', connected, since },
  })
  assert.equal(clusterProblem(view(true)), undefined)
  const problem = clusterProblem(view(false))
  assert.match(problem ?? '', /http:\/\/c:8080 has not been reachable since 1970-01-01T00:00:00/)
})

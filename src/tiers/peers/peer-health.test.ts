import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../limits.ts'
import { LatencyWindow } from './latency-window.ts'
import { PeerHealth } from './peer-health.ts'

test('a failing peer is ejected for ever longer, up to a bound, and comes back', () => {
  let nowMs = 1000
  const health = new PeerHealth(() => nowMs)
  assert.equal(health.isEjected('a'), false)
  let last = 0
  for (let at = 0; at < 12; at++) {
    assert.equal(health.failed('a'), true)
    const sinceMs = nowMs
    while (health.isEjected('a')) nowMs += 10
    const ejectedMs = nowMs - sinceMs
    assert.ok(ejectedMs >= last / 2.1 && ejectedMs <= limits.peerEjectionMaxMs + 10)
    last = ejectedMs
  }
  assert.ok(last >= limits.peerEjectionMaxMs / 2)
  assert.equal(health.isEjected('b'), false)
})

test('concurrent failures count once; a success resets the record', () => {
  const health = new PeerHealth(() => 1000)
  assert.deepEqual([health.failed('a'), health.failed('a')], [true, false])
  health.succeeded('a')
  assert.equal(health.isEjected('a'), false)
})

test('a peer that loses every race is ejected, one that loses some is not', () => {
  const health = new PeerHealth(() => 1000)
  for (let at = 0; at < 10; at++) {
    assert.equal(health.lost('now and then'), false)
    health.succeeded('now and then')
  }
  const outcomes = Array.from({ length: limits.peerLossesInRow }, () => health.lost('always'))
  assert.deepEqual(outcomes.at(-1), true)
  assert.equal(outcomes.filter(Boolean).length, 1)
})

test('the number of records is bounded', () => {
  const health = new PeerHealth(() => 1000)
  for (let at = 0; at <= limits.peersRemembered; at++) health.failed(`peer-${at}`)
  assert.deepEqual([health.isEjected('peer-0'), health.isEjected('peer-1')], [false, true])
})

test('the 95th percentile needs a few samples and follows the latest ones', () => {
  const window = new LatencyWindow()
  for (let at = 1; at < limits.peerLatencySamplesMin; at++) window.add(10)
  assert.equal(window.p95(), undefined)
  window.add(1000)
  assert.equal(window.p95(), 1000)
  for (let at = 0; at < limits.peerLatencySamples - 1; at++) window.add(20)
  assert.equal(window.p95(), 20)
  for (let at = 0; at < limits.peerLatencySamples; at++) window.add(at < 20 ? 500 : 30)
  assert.equal(window.p95(), 500)
})

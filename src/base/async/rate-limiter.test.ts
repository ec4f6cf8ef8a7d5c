import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RateLimiter } from './rate-limiter.ts'

test('allows a burst, then one token per interval, and never more than the burst', () => {
  let nowMs = 0
  const pace = new RateLimiter(3, 10, () => nowMs)
  const taken = (): number => {
    let count = 0
    while (pace.take()) count += 1
    return count
  }
  assert.equal(taken(), 3)
  nowMs += 9
  assert.equal(taken(), 0)
  nowMs += 1
  assert.equal(taken(), 1)
  nowMs += 25
  assert.equal(taken(), 2)
  nowMs += 1_000_000
  assert.equal(taken(), 3)
})

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { cacheLimits } from '../limits.ts'
import { RecentCuts } from './recent-cuts.ts'

const [FILE, OTHER_FILE] = [10, 11]
const [THREAD, OTHER_THREAD] = [500, 501]

let cuts: RecentCuts
/** The same entries, as another thread of the daemon has them. */
let seen: RecentCuts

beforeEach(() => {
  const memory = RecentCuts.allocate()
  cuts = new RecentCuts(memory)
  seen = new RecentCuts(memory)
})

test('a cut is pending until its thread makes a later request', () => {
  cuts.begin(FILE, THREAD, 7)
  assert.deepEqual([seen.isPending(FILE), seen.isPending(OTHER_FILE)], [true, false])
  seen.passed(OTHER_THREAD, 8)
  seen.passed(THREAD, 7)
  seen.passed(THREAD, 6)
  assert.equal(cuts.isPending(FILE), true)
  seen.passed(THREAD, 8)
  assert.equal(cuts.isPending(FILE), false)
})

test('a cut ends after its bound if the thread makes no request', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  cuts.begin(FILE, THREAD, 7)
  t.mock.timers.setTime(1_000_000 + cacheLimits.cutHoldMs - 1)
  assert.equal(seen.isPending(FILE), true)
  t.mock.timers.setTime(1_000_000 + cacheLimits.cutHoldMs)
  assert.equal(seen.isPending(FILE), false)
})

test('only the request that began a cut renews it', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  cuts.begin(FILE, THREAD, 7)
  t.mock.timers.setTime(1_000_000 + cacheLimits.cutHoldMs - 1)
  cuts.renew(FILE, THREAD, 8)
  cuts.renew(OTHER_FILE, THREAD, 7)
  cuts.renew(FILE, OTHER_THREAD, 7)
  t.mock.timers.setTime(1_000_000 + cacheLimits.cutHoldMs)
  assert.deepEqual(
    [FILE, OTHER_FILE].map((ino) => seen.isPending(ino)),
    [false, false],
  )
  cuts.begin(FILE, THREAD, 9)
  t.mock.timers.tick(cacheLimits.cutHoldMs - 1)
  cuts.renew(FILE, THREAD, 9)
  t.mock.timers.tick(cacheLimits.cutHoldMs - 1)
  assert.equal(seen.isPending(FILE), true)
})

test('cuts by several threads are pending each for itself', () => {
  cuts.begin(FILE, THREAD, 7)
  cuts.begin(OTHER_FILE, OTHER_THREAD, 8)
  seen.passed(THREAD, 9)
  assert.deepEqual(
    [FILE, OTHER_FILE].map((ino) => seen.isPending(ino)),
    [false, true],
  )
})

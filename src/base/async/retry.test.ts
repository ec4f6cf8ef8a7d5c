import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AttemptRate, backoffMs, pause, retry } from './retry.ts'
import type { Failure } from './retry.ts'

const failing = (times: number): ((attempt: number) => Promise<number>) => {
  return async (attempt) => {
    if (attempt <= times) throw new Error(`failure ${attempt}`)
    return attempt
  }
}

test('retries until the work succeeds, and reports each failure', async () => {
  const failures: Failure[] = []
  const result = await retry(failing(2), {
    attempts: 5,
    baseMs: 1,
    onRetry: (failure) => failures.push(failure),
  })
  assert.equal(result, 3)
  assert.deepEqual(
    failures.map((it) => it.attempt),
    [1, 2],
  )
})

test('the last failure is thrown', async () => {
  await assert.rejects(retry(failing(9), { attempts: 3, baseMs: 1 }), /failure 3/)
})

test('a failure that is not retryable is thrown at once', async () => {
  const retryable = (): boolean => false
  await assert.rejects(retry(failing(9), { attempts: 3, retryable }), /failure 1/)
})

test('an abort ends the wait at once, also with unlimited attempts', async () => {
  const controller = new AbortController()
  const forever = retry(failing(Infinity), {
    attempts: Infinity,
    baseMs: 3_600_000,
    maxMs: 3_600_000,
    random: () => 1,
    signal: controller.signal,
    onRetry: () => setImmediate(() => controller.abort()),
  })
  await assert.rejects(forever, { code: 'ECANCELED' })
})

test('waits double up to the bound, with full jitter', () => {
  const full = { baseMs: 100, maxMs: 1000, random: () => 1 }
  const waits = [1, 2, 3, 4, 5, 2000].map((failures) => backoffMs(failures, full))
  assert.deepEqual(waits, [100, 200, 400, 800, 1000, 1000])
  assert.equal(backoffMs(3, { ...full, random: () => 0 }), 0)
})

test('the attempt rate holds in every window of a minute', async () => {
  let now = 0
  const rate = new AttemptRate(3, () => now)
  assert.deepEqual([rate.reserve(), rate.reserve(), rate.reserve()], [0, 20_000, 40_000])
  now = 50_000
  assert.equal(rate.reserve(), 10_000)
  now = 200_000
  assert.equal(rate.reserve(), 0)
  await assert.rejects(rate.take({ signal: AbortSignal.abort() }), { code: 'ECANCELED' })
  const done = await retry(failing(1), { attempts: 2, baseMs: 0, rate: new AttemptRate(10) })
  assert.equal(done, 2)
})

test('a pause lasts as long as requested', async () => {
  const start = performance.now()
  await pause(20)
  assert.ok(performance.now() - start >= 18)
})

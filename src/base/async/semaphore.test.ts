import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Semaphore } from './semaphore.ts'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('at most the capacity is taken at once, and all of it is returned', async () => {
  const pool = new Semaphore(3)
  let running = 0
  let most = 0
  const job = async (): Promise<void> => {
    most = Math.max(most, ++running)
    await tick()
    running--
  }
  await Promise.all(Array.from({ length: 20 }, () => pool.run(job)))
  assert.equal(most, 3)
  assert.equal(pool.free, 3)
})

test('weights are counted and requests are granted in order', async () => {
  const pool = new Semaphore(10)
  const order: string[] = []
  const first = await pool.acquire(8)
  const heavy = pool.acquire(9).then((permit) => (order.push('heavy'), permit))
  const light = pool.acquire(1).then((permit) => (order.push('light'), permit))
  await tick()
  assert.deepEqual(order, [], 'the light one would fit, but the heavy one came first')
  first.release()
  await heavy
  await light
  assert.deepEqual(order, ['heavy', 'light'])
})

test('a weight above the capacity takes the whole capacity', async () => {
  const pool = new Semaphore(4)
  const permit = await pool.acquire(100)
  assert.equal(pool.free, 0)
  permit.release()
  assert.equal(pool.free, 4)
})

test('a second release has no effect', async () => {
  const pool = new Semaphore(1)
  const permit = await pool.acquire()
  permit.release()
  permit[Symbol.dispose]()
  assert.equal(pool.free, 1)
})

test('an aborted waiter leaves the queue, and those behind it move up', async () => {
  const pool = new Semaphore(2)
  const held = await pool.acquire(1)
  const controller = new AbortController()
  const heavy = pool.acquire(2, { signal: controller.signal })
  const light = pool.acquire(1)
  controller.abort()
  await assert.rejects(heavy, { code: 'ECANCELED' })
  const permit = await light
  permit.release()
  held.release()
  assert.equal(pool.free, 2)
  await assert.rejects(pool.acquire(1, { signal: controller.signal }), { code: 'ECANCELED' })
})

test('a wait that exceeds its timeout is ETIMEDOUT', async () => {
  const pool = new Semaphore(1)
  await pool.acquire()
  // The timer of AbortSignal.timeout does not keep the process alive.
  const alive = setInterval(() => undefined, 1000)
  await assert.rejects(pool.acquire(1, { signal: AbortSignal.timeout(10) }), { code: 'ETIMEDOUT' })
  clearInterval(alive)
})

test('the queue is bounded', async () => {
  const pool = new Semaphore(1, { maxWaiting: 1 })
  const held = await pool.acquire()
  const waiting = pool.acquire()
  await assert.rejects(pool.acquire(), { code: 'EAGAIN' })
  held.release()
  const permit = await waiting
  assert.equal(pool.tryAcquire(), undefined)
  permit.release()
  assert.ok(pool.tryAcquire())
})

test('a failing job releases its permit', async () => {
  const pool = new Semaphore(1)
  await assert.rejects(
    pool.run(() => Promise.reject(new Error('no'))),
    /no/,
  )
  assert.equal(pool.free, 1)
})

/** Queue between threads: order, capacity, and wake-up by another thread. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { SharedQueue } from './shared-queue.ts'

test('values keep their order, and a full queue rejects more', () => {
  const queue = new SharedQueue(SharedQueue.allocate(4))
  for (let round = 0; round < 5; round++) {
    for (const value of [1, 2, 3, 2 ** 52]) assert.ok(queue.put(value + round))
    assert.ok(!queue.put(9))
    assert.deepEqual(queue.take(1), [1 + round])
    assert.ok(queue.put(5))
    assert.deepEqual(queue.take(10), [2 + round, 3 + round, 2 ** 52 + round, 5])
    assert.deepEqual(queue.take(10), [])
  }
})

test('values from several threads all arrive, and a waiting thread is woken', async () => {
  const memory = SharedQueue.allocate(64)
  const queue = new SharedQueue(memory)
  const module = new URL('./shared-queue.ts', import.meta.url).href
  const code = `const { workerData } = require('node:worker_threads')
    void import('${module}').then(({ SharedQueue }) => {
      const queue = new SharedQueue(workerData.memory)
      for (let at = 0; at < 2000; ) if (queue.put(workerData.first + at)) at++
    })`
  const workers = [0, 10_000].map((first) => {
    return new Worker(code, { eval: true, workerData: { memory, first } })
  })
  const ended = Promise.all(workers.map((worker) => once(worker, 'exit')))
  const taken: number[] = []
  while (taken.length < 4000) {
    await queue.filled(60_000)
    taken.push(...queue.take(50))
  }
  await ended
  for (const first of [0, 10_000]) {
    const own = taken.filter((value) => value >= first && value < first + 2000)
    assert.deepEqual(
      own,
      Array.from({ length: 2000 }, (_, at) => first + at),
    )
  }
})

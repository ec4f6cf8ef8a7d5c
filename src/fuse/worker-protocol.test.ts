/** Counters that throttle workers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { limits } from '../limits.ts'
import { SharedCounters } from './worker-protocol.ts'

test('hints beyond the limit are dropped until some are released', () => {
  const counters = new SharedCounters()
  for (let n = 0; n < limits.fuseHintsInFlight; n++) assert.ok(counters.takeHint())
  assert.ok(!counters.takeHint())
  counters.releaseHint()
  assert.ok(counters.takeHint())
  assert.ok(!counters.takeHint())
})

test('a worker waits at the limit of suspended requests and continues below it', async () => {
  const counters = new SharedCounters()
  const large = 1024 * 1024
  for (let kib = 0; kib < limits.fuseWaitingKib; kib += 1024) assert.ok(counters.takeWaiting(large))
  const url = new URL('./worker-protocol.ts', import.meta.url).href
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    import('${url}').then(({ SharedCounters }) => {
      parentPort.postMessage('asks')
      parentPort.postMessage(new SharedCounters(workerData).takeWaiting(1) ? 'got' : 'refused')
    })`
  const worker = new Worker(source, { eval: true, workerData: counters.memory })
  const answers: unknown[] = []
  const done = Promise.withResolvers<undefined>()
  worker.on('message', (message) => {
    answers.push(message)
    if (message === 'asks') {
      setTimeout(() => {
        answers.push('room')
        counters.releaseWaiting(large)
      }, 100)
    } else done.resolve(undefined)
  })
  await done.promise
  assert.deepEqual(answers, ['asks', 'room', 'got'])
})

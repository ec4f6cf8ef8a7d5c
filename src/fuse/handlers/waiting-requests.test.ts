/** Suspended requests: interrupts that are early, late or unmatched, and clean-up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NotStarted } from '../../base/suspended.ts'
import { FsError, codeOf } from '../../base/fs-error.ts'
import { limits } from '../../limits.ts'
import type { Dispatcher } from './dispatcher.ts'
import { RequestReader } from '../wire/request-reader.ts'
import { WaitingRequests } from './waiting-requests.ts'

/** The part of a dispatcher that is used: completes each request and records failures. */
function waitingOf(resolveWait: (signal: AbortSignal) => Promise<void>) {
  const failures: unknown[] = []
  const reported: unknown[] = []
  const left: NotStarted[] = []
  const request = new RequestReader(64)
  let dispatched = 0
  let doneBytes = 0
  const dispatcher = {
    request,
    dispatch: () => {
      dispatched++
    },
    fail: (error: unknown) => failures.push(error),
    abandon: () => left.shift(),
    report: (error: unknown) => reported.push(error),
  }
  const waiting = new WaitingRequests({
    dispatcher: dispatcher as unknown as Dispatcher,
    resolveWait: (_condition, { signal }) => resolveWait(signal).then(() => undefined),
    done: (sizeBytes) => (doneBytes += sizeBytes),
  })
  const counts = () => ({ dispatched, doneBytes, size: waiting.size })
  return { waiting, failures, counts, reported, left }
}

function requestOf(unique: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(10)
  words.set([40, 14, unique])
  return new Uint8Array(words.buffer)
}

const NOT_STARTED = { condition: {}, hasChanged: false }
const never = (): Promise<void> => new Promise(() => undefined)
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('an interrupt that overtakes its request ends it', async () => {
  const { waiting, failures, counts } = waitingOf(never)
  waiting.interrupt(8)
  waiting.add(requestOf(8), NOT_STARTED)
  await settled()
  assert.ok(failures[0] instanceof FsError && failures[0].code === 'EINTR')
  assert.deepEqual(counts(), { dispatched: 0, doneBytes: 40, size: 0 })
})

test('the number of early interrupts that are kept is bounded', async () => {
  const { waiting, failures, counts } = waitingOf(() => Promise.resolve())
  waiting.interrupt(8)
  for (let n = 0; n < limits.fuseEarlyInterrupts; n++) waiting.interrupt(1000 + n)
  waiting.add(requestOf(8), NOT_STARTED)
  await settled()
  assert.deepEqual([failures.length, counts().dispatched], [0, 1])
})

test('an interrupt ends the wait even if the resolver ignores the abort', async () => {
  const { waiting, failures } = waitingOf(never)
  waiting.add(requestOf(8), NOT_STARTED)
  await settled()
  waiting.interrupt(8)
  waiting.interrupt(8)
  while (failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  await settled()
  assert.equal(failures.length, 1)
})

test('a request that has made its changes may report that after an interrupt', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const finished = Promise.withResolvers<void>()
  const signals: AbortSignal[] = []
  const { waiting, failures, counts } = waitingOf((signal) => {
    signals.push(signal)
    return finished.promise
  })
  waiting.add(requestOf(8), { condition: {}, hasChanged: true })
  waiting.add(requestOf(10), { condition: {}, hasChanged: true })
  waiting.interrupt(8)
  t.mock.timers.tick(limits.changedGraceMs - 1)
  await settled()
  assert.deepEqual([failures.length, signals[0]?.aborted], [0, false])
  finished.resolve()
  await settled()
  assert.deepEqual([failures.length, counts().dispatched], [0, 2])
})

test('it ends with EINTR if that takes too long', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { waiting, failures } = waitingOf(never)
  waiting.add(requestOf(8), { condition: {}, hasChanged: true })
  waiting.interrupt(8)
  t.mock.timers.tick(limits.changedGraceMs)
  await settled()
  assert.deepEqual(failures.map(codeOf), ['EINTR'])
})

test('close answers all suspended requests, and later ones', async () => {
  const { waiting, failures, counts } = waitingOf(never)
  waiting.add(requestOf(8), NOT_STARTED)
  waiting.add(requestOf(10), NOT_STARTED)
  await waiting.close()
  waiting.add(requestOf(12), NOT_STARTED)
  await settled()
  assert.equal(failures.length, 3)
  assert.equal(counts().size, 0)
})

test('the clean-up of a request runs after its reply', async () => {
  const asked: AbortSignal[] = []
  const { waiting, failures, counts, left } = waitingOf(async (signal) => {
    asked.push(signal)
  })
  left.push(new NotStarted('one'), new NotStarted('another'))
  waiting.interrupt(8)
  waiting.add(requestOf(8), NOT_STARTED)
  assert.deepEqual([failures.length, counts().size], [0, 1])
  await settled()
  assert.deepEqual([failures.length, asked.length, left.length], [1, 2, 0])
  assert.ok(asked.every((signal) => !signal.aborted))
  assert.deepEqual(counts(), { dispatched: 0, doneBytes: 40, size: 0 })
})

test('a failed clean-up is reported and ends the request', async () => {
  const why = new FsError('EIO', 'away')
  const { waiting, failures, reported, left } = waitingOf(() => Promise.reject(why))
  left.push(new NotStarted('one'))
  waiting.add(requestOf(8), NOT_STARTED)
  await settled()
  assert.deepEqual([failures, reported], [[why], [why]])
})

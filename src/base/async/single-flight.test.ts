import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SingleFlight } from './single-flight.ts'

test('callers of one key share one run, and a later caller starts a new one', async () => {
  const flights = new SingleFlight<string, number>()
  let runs = 0
  const gate = Promise.withResolvers<undefined>()
  const work = async (): Promise<number> => {
    await gate.promise
    return ++runs
  }
  const all = [flights.run('a', work), flights.run('a', work), flights.run('b', work)]
  assert.equal(flights.size, 2)
  gate.resolve(undefined)
  assert.deepEqual((await Promise.all(all)).sort(), [1, 1, 2])
  assert.equal(flights.size, 0)
  assert.equal(await flights.run('a', work), 3)
})

test('a failure reaches all callers and is not cached', async () => {
  const flights = new SingleFlight<string, number>()
  const fail = (): Promise<number> => Promise.reject(new Error('broken'))
  const both = [flights.run('a', fail), flights.run('a', fail)]
  for (const result of await Promise.allSettled(both)) assert.equal(result.status, 'rejected')
  assert.equal(await flights.run('a', () => Promise.resolve(1)), 1)
})

test('the abort of one caller leaves the others; the last abort ends the work', async () => {
  const flights = new SingleFlight<string, string>()
  const first = new AbortController()
  const second = new AbortController()
  let inner: AbortSignal | undefined
  const work = (signal: AbortSignal): Promise<string> => {
    inner = signal
    return new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    )
  }
  const one = flights.run('a', work, { signal: first.signal })
  const two = flights.run('a', work, { signal: second.signal })
  first.abort()
  await assert.rejects(one, { code: 'ECANCELED' })
  assert.equal(inner?.aborted, false)
  second.abort()
  await assert.rejects(two, { code: 'ECANCELED' })
  assert.equal(inner.aborted, true)
  assert.equal(flights.size, 0)
})

test('a caller after all others have left starts a new run', async () => {
  const flights = new SingleFlight<string, string>()
  const controller = new AbortController()
  const never = flights.run('a', () => new Promise(() => undefined), controller)
  controller.abort()
  await assert.rejects(never, { code: 'ECANCELED' })
  assert.equal(await flights.run('a', () => Promise.resolve('new')), 'new')
})

test('an aborted caller starts nothing', async () => {
  const flights = new SingleFlight<string, string>()
  await assert.rejects(
    flights.run('a', () => assert.fail('started'), { signal: AbortSignal.abort() }),
    { code: 'ECANCELED' },
  )
  assert.equal(flights.has('a'), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyedMutex } from './keyed-mutex.ts'

test('one holder at a time per key, and no entry remains', async () => {
  const mutex = new KeyedMutex<string>()
  const order: string[] = []
  const work = async (key: string, name: string): Promise<void> => {
    const permit = await mutex.acquire(key)
    order.push(`${name} in`)
    await new Promise((resolve) => setTimeout(resolve, 5))
    order.push(`${name} out`)
    permit.release()
    permit.release()
  }
  await Promise.all([work('a', '1'), work('a', '2'), work('b', '3')])
  assert.deepEqual(order, ['1 in', '3 in', '1 out', '3 out', '2 in', '2 out'].sort(byFirst(order)))
  assert.ok(order.indexOf('2 in') > order.indexOf('1 out'))
  assert.equal(mutex.size, 0)
})

test('an aborted wait leaves no entry', async () => {
  const mutex = new KeyedMutex<string>()
  const held = await mutex.acquire('a')
  const controller = new AbortController()
  const waiting = mutex.acquire('a', controller)
  controller.abort()
  await assert.rejects(waiting, { code: 'ECANCELED' })
  held.release()
  assert.equal(mutex.size, 0)
})

/** The order between different keys is unspecified. */
function byFirst(order: readonly string[]): (a: string, b: string) => number {
  return (a, b) => order.indexOf(a) - order.indexOf(b)
}

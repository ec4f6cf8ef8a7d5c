import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TimeSlices } from './time-slices.ts'

/** Occupies the event loop. */
function busy(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('tasks run in order, and other work runs between the slices', async () => {
  const slices = new TimeSlices(2)
  const order: number[] = []
  const other = -1
  const ends = [0, 1, 2, 3].map((number) =>
    slices.run(() => {
      busy(3)
      order.push(number)
    }),
  )
  assert.deepEqual(order, [0], 'the first one at once')
  assert.equal(ends[0], undefined)
  setImmediate(() => order.push(other))
  await ends.at(-1)
  assert.deepEqual(
    order.filter((each) => each !== other),
    [0, 1, 2, 3],
  )
  assert.ok(order.indexOf(other) < order.indexOf(3), order.join())
})

test('a task that fails fails alone', async () => {
  const slices = new TimeSlices(0)
  let ran = 0
  const failing = slices.run(() => {
    throw new Error('this one')
  })
  const other = slices.run(() => {
    ran++
  })
  await assert.rejects(failing!, /this one/)
  await other
  assert.equal(ran, 1)
})

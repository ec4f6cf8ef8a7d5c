/**
 * Long chains of changes that wait for each other: a directory is renamed to and fro a thousand
 * times while the remote is slow or fails. The search for stalled changes must visit each change
 * once; visiting each path through the chain would never end.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Entry } from '../entry.ts'
import { WriteQueue, type Verdict } from './write-queue.ts'

const RENAMES = 1000

/** A queue with the renames, then a write below the directory; all wait for the first. */
function chained(first: () => Promise<Verdict>): { queue: WriteQueue; ran: number[] } {
  const ran: number[] = []
  const queue = new WriteQueue({
    concurrency: 1,
    attempts: 1,
    retryBaseMs: 60_000,
    retryMaxMs: 60_000,
    run: async ({ id }) => {
      ran.push(id)
      return id === 0 ? await first() : 'done'
    },
  })
  const entry = new Entry('a', undefined)
  for (let id = 0; id < RENAMES; id++) {
    const [path, to] = id % 2 === 0 ? ['/a', '/b'] : ['/b', '/a']
    queue.add({ id, kind: 'rename', path, to, isDirectory: true, entry, left: entry })
  }
  queue.add({ id: RENAMES, kind: 'write', path: '/a/file', entry })
  return { queue, ran }
}

test('a path waits for all changes that it depends on', async () => {
  const first = Promise.withResolvers<Verdict>()
  const { queue, ran } = chained(() => first.promise)
  const settled = queue.settled('/a/file')
  first.resolve('done')
  assert.equal(await settled, true)
  assert.deepEqual(ran, [...Array(RENAMES + 1).keys()])
  assert.equal(queue.size, 0)
  await queue.stop()
})

test('no path waits for a stalled change until it is retried', async () => {
  const verdicts: Verdict[] = ['stalled', 'done']
  const { queue, ran } = chained(async () => verdicts.shift() ?? 'done')
  assert.equal(await queue.settled('/a/file'), false)
  await queue.idle()
  assert.deepEqual([ran, queue.stalled.map(({ id }) => id)], [[0], [0]])
  assert.equal(await queue.settled('/elsewhere'), true)
  queue.retryNow()
  assert.equal(await queue.settled('/a/file'), true)
  assert.deepEqual(ran, [0, ...Array(RENAMES + 1).keys()])
  await queue.stop()
})

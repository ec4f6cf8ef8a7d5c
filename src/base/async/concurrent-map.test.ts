import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { concurrentMap } from './concurrent-map.ts'

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i
}

test('results keep the order of the items, and concurrency is limited', async () => {
  let [running, most] = [0, 0]
  const results: number[] = []
  const work = async (n: number): Promise<number> => {
    most = Math.max(most, ++running)
    await delay((n * 7) % 5)
    running--
    return n
  }
  for await (const n of concurrentMap(numbers(50), 8, work)) results.push(n)
  assert.deepEqual(
    results,
    Array.from({ length: 50 }, (_, n) => n),
  )
  assert.equal(most, 8)
})

test('a failure is thrown at its position, after which no work is running', async () => {
  let running = 0
  const results: number[] = []
  const work = async (n: number): Promise<number> => {
    running++
    await delay(n === 3 ? 0 : 5)
    running--
    if (n >= 3) throw new Error(`number ${n}`)
    return n
  }
  const all = async (): Promise<void> => {
    for await (const n of concurrentMap(numbers(20), 8, work)) results.push(n)
  }
  await assert.rejects(all(), /number 3/)
  assert.deepEqual([results, running], [[0, 1, 2], 0])
})

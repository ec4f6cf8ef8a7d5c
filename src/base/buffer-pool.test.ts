/** Large buffers: nobody else's while it is used, the same again after that, gone when idle. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool, pages } from './buffer-pool.ts'

test('who has a buffer has it alone, and the next one gets it', () => {
  const buffers = new BufferPool(1000)
  const first = buffers.take()
  const second = buffers.take()
  assert.notEqual(first.memory.buffer, second.memory.buffer)
  assert.equal(first.memory.length, 1000)
  first[Symbol.dispose]()
  const third = buffers.take()
  assert.equal(third.memory, first.memory)
  const fourth = buffers.take()
  assert.equal(new Set([second, third, fourth].map(({ memory }) => memory.buffer)).size, 3)
})

test('nothing is kept while none is used: its memory is free at once', () => {
  const buffers = new BufferPool(1000)
  const [first, second] = [buffers.take(), buffers.take()]
  first[Symbol.dispose]()
  assert.equal(first.memory.length, 1000)
  second[Symbol.dispose]()
  assert.deepEqual([first.memory.length, second.memory.length], [0, 0])
  using next = buffers.take()
  assert.equal(next.memory.length, 1000)
})

test('what somebody may go on using is for nobody else, and stays as it is', () => {
  const buffers = new BufferPool(1000)
  const first = buffers.take()
  const second = buffers.take()
  first.forsake()
  first[Symbol.dispose]()
  using third = buffers.take()
  assert.notEqual(third.memory, first.memory)
  second[Symbol.dispose]()
  assert.equal(first.memory.length, 1000)
})

test('no more are kept than are used: a crowd leaves nothing behind for the one that stays', () => {
  for (const buffers of [new BufferPool(1000), new BufferPool(1000, pages)]) {
    const crowd = Array.from({ length: 10 }, () => buffers.take())
    const last = crowd.pop()!
    for (const buffer of crowd) buffer[Symbol.dispose]()
    const kept = crowd.filter(({ memory }) => memory.length > 0)
    assert.deepEqual([kept.length, last.memory.length], [1, 1000])
    last[Symbol.dispose]()
    assert.equal(kept[0]?.memory.length, 0)
  }
})

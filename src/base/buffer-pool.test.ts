/** Buffer pool: exclusive use, reuse, and release of the memory when no buffer is in use. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool, pages } from './buffer-pool.ts'

test('a buffer has one user at a time and is reused afterwards', () => {
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

test('memory is freed as soon as no buffer is in use', () => {
  const buffers = new BufferPool(1000)
  const [first, second] = [buffers.take(), buffers.take()]
  first[Symbol.dispose]()
  assert.equal(first.memory.length, 1000)
  second[Symbol.dispose]()
  assert.deepEqual([first.memory.length, second.memory.length], [0, 0])
  using next = buffers.take()
  assert.equal(next.memory.length, 1000)
})

test('a buffer that may still be in use is neither reused nor cleared', () => {
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

test('no more free buffers are kept than are in use', () => {
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

/** Memory for chunks: nobody else's while it is used, the same again after that, gone when idle. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkBuffers } from './chunk-buffers.ts'

test('who has a buffer has it alone, and the next one gets it', () => {
  const buffers = new ChunkBuffers(1000)
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

test('nothing is kept while nothing is under way', () => {
  const buffers = new ChunkBuffers(1000)
  const first = buffers.take()
  first[Symbol.dispose]()
  using next = buffers.take()
  assert.notEqual(next.memory.buffer, first.memory.buffer)
})

/**
 * Locks of many inodes at once, some of which another thread may hold.
 */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { SharedMutex } from '../../base/async/shared-mutex.ts'
import { SharedState, allocateSharedBuffers } from './shared-state.ts'

const SLOTS = 65_536

let shared: SharedState
/** The same locks, as another thread has them. */
let others: SharedMutex

beforeEach(() => {
  const buffers = allocateSharedBuffers()
  shared = new SharedState(buffers)
  others = new SharedMutex(new Int32Array(buffers.locks))
})

function isFree(ino: number): boolean {
  const free = others.tryLock(ino % SLOTS)
  if (free) others.unlock(ino % SLOTS)
  return free
}

test('inodes that share a slot are locked together, and given back', () => {
  const inos = new Set([5, 5 + SLOTS, 6])
  const seen: number[][] = []
  shared.withInodes(inos, (some) => {
    seen.push([...some])
    assert.deepEqual([5, 6, 7].map(isFree), [false, false, true])
  })
  assert.deepEqual(seen, [[5, 5 + SLOTS, 6]])
  assert.deepEqual([5, 6].map(isFree), [true, true])
})

test('one that another thread works on comes by itself, when no other lock is held', () => {
  const seen: number[][] = []
  others.lock(6)
  shared.withInodes(new Set([5, 6, 7]), (some) => {
    seen.push([...some])
    if (some.size === 1) assert.deepEqual([5, 6, 7].map(isFree), [true, false, true])
    else others.unlock(6)
  })
  assert.deepEqual(seen, [[5, 7], [6]])
  assert.deepEqual([5, 6, 7].map(isFree), [true, true, true])
})

test('locks are given back where the work fails', () => {
  const fail = (): never => {
    throw new Error('it fails')
  }
  assert.throws(() => shared.withInodes(new Set([5, 6]), fail), /it fails/)
  assert.deepEqual([5, 6].map(isFree), [true, true])
})

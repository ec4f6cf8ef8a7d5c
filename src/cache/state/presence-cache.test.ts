import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { cacheLimits } from '../limits.ts'
import { PresenceCache } from './presence-cache.ts'
import { SharedState, allocateSharedBuffers } from './shared-state.ts'

const [INO, OTHER] = [10, 11]

let shared: SharedState
let presence: PresenceCache
/** The state as another thread has it. */
let elsewhere: SharedState

beforeEach(() => {
  const buffers = allocateSharedBuffers()
  shared = new SharedState(buffers)
  elsewhere = new SharedState(buffers)
  presence = new PresenceCache(shared)
})

test('what is known of an inode is valid until any thread changes its chunks', () => {
  presence.of(INO).present.add(3)
  presence.of(OTHER).present.add(4)
  elsewhere.bumpChunks(INO)
  assert.deepEqual([...presence.of(INO).present], [])
  assert.deepEqual([...presence.of(OTHER).present], [4])
  presence.of(INO).size = 5
  assert.equal(presence.of(INO).size, 5)
})

test('it expires, so that uses of chunks are recorded', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  presence.of(INO).whole = true
  t.mock.timers.tick(cacheLimits.accessGranularityMs - 1)
  assert.equal(presence.of(INO).whole, true)
  t.mock.timers.tick(1)
  assert.equal(presence.of(INO).whole, false)
})

test('its memory is bounded, for each inode and for all', () => {
  for (const kind of ['present', 'dirty'] as const) {
    for (let chunk = 0; chunk < 2 * cacheLimits.rememberedChunks; chunk++) {
      presence.of(INO)[kind].add(chunk)
    }
    assert.ok(presence.of(INO)[kind].size <= cacheLimits.rememberedChunks, kind)
  }
  presence.of(INO).size = 5
  for (let ino = 0; ino < cacheLimits.rememberedInodes; ino++) presence.of(INO + 1 + ino)
  assert.equal(presence.of(INO).size, undefined)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cacheLimits } from '../limits.ts'
import { ConditionVariable } from './condition-variable.ts'

test('an announcement wakes all waiters; those whose condition is false wait on', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const freed = new ConditionVariable()
  let free = 0
  const woken: number[] = []
  let checks = 0
  const waits = [1, 2, 3].map(async (wanted) => {
    await freed.until(() => {
      checks += 1
      return free >= wanted
    })
    woken.push(wanted)
  })
  free = 2
  freed.announce()
  await Promise.all(waits.slice(0, 2))
  assert.deepEqual(woken, [1, 2])
  free = 3
  freed.announce()
  await Promise.all(waits)
  assert.deepEqual(woken, [1, 2, 3])
  assert.equal(checks, 7, 'at the start, and after an announcement only')
})

test('a missed announcement is a delay and not a hang', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let isDone = false
  const waiting = new ConditionVariable().until(() => isDone)
  isDone = true
  t.mock.timers.tick(cacheLimits.conditionPollMs)
  await waiting
})

test('an abort ends the wait with its reason, also before it begins', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const condition = new ConditionVariable()
  const controller = new AbortController()
  const waiting = condition.until(() => false, controller.signal)
  controller.abort(new Error('no longer wanted'))
  await assert.rejects(waiting, /no longer wanted/)
  await assert.rejects(condition.next(controller.signal), /no longer wanted/)
})

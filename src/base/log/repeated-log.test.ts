import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../limits.ts'
import { RepeatedLog } from './repeated-log.ts'

function recorder(everyMs: number): { log: RepeatedLog; lines: string[] } {
  const lines: string[] = []
  const note = (level: string) => (_fields: object, message: string) => {
    lines.push(`${level} ${message}`)
  }
  return { log: new RepeatedLog({ warn: note('warn'), error: note('error') }, everyMs), lines }
}

test('the first failure of a kind is logged at once, later ones are counted', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { log, lines } = recorder(60_000)
  for (let at = 0; at < 100; at++) log.warn('read', `reading ${at} failed`)
  log.error('write', 'writing failed')
  assert.deepEqual(lines, ['warn reading 0 failed', 'error writing failed'])
  t.mock.timers.tick(60_000)
  const [, , count] = lines
  assert.equal(count, 'warn 99 more in the last 60 s, most recently: reading 99 failed')
  log.warn('read', 'the same outage')
  assert.equal(lines.length, 3)
  // An interval with a failure, and one without.
  for (let interval = 0; interval < 2; interval++) t.mock.timers.tick(60_000)
  log.warn('read', 'another outage')
  assert.deepEqual(lines.slice(3), [
    'warn 1 more in the last 60 s, most recently: the same outage',
    'warn another outage',
  ])
})

test('kinds beyond the limit are counted as one', () => {
  const { log, lines } = recorder(60_000)
  for (let at = 0; at < 10 * limits.logKinds; at++) log.warn(`kind ${at}`, 'failed')
  assert.equal(lines.length, limits.logKinds + 1)
})

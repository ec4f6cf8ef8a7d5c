import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../test/fixtures/eventually.ts'
import { limits } from '../limits.ts'
import { RepeatedLog } from './repeated-log.ts'

function recorder(everyMs: number): { log: RepeatedLog; lines: string[] } {
  const lines: string[] = []
  const note = (level: string) => (_fields: object, message: string) => {
    lines.push(`${level} ${message}`)
  }
  return { log: new RepeatedLog({ warn: note('warn'), error: note('error') }, everyMs), lines }
}

test('the first of a kind is written at once, those after it are counted', async () => {
  const { log, lines } = recorder(200)
  for (let at = 0; at < 100; at++) log.warn('read', `reading ${at} failed`)
  log.error('write', 'writing failed')
  assert.deepEqual(lines, ['warn reading 0 failed', 'error writing failed'])
  await eventually('the count', () => lines.length > 2)
  const [, , count] = lines
  assert.equal(count, 'warn 99 more of these in 0 s, the last one: reading 99 failed')
  await eventually('the kind is forgotten', () => {
    log.warn('read', 'another outage')
    return lines.at(-1) === 'warn another outage' || lines.length > 50
  })
})

test('kinds beyond a bound are one', () => {
  const { log, lines } = recorder(60_000)
  for (let at = 0; at < 10 * limits.logKinds; at++) log.warn(`kind ${at}`, 'failed')
  assert.equal(lines.length, limits.logKinds + 1)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../../test/fixtures/eventually.ts'
import { limits } from '../../limits.ts'
import { RepeatedLog } from './repeated-log.ts'

function recorder(everyMs: number): { log: RepeatedLog; lines: string[] } {
  const lines: string[] = []
  const note = (level: string) => (_fields: object, message: string) => {
    lines.push(`${level} ${message}`)
  }
  return { log: new RepeatedLog({ warn: note('warn'), error: note('error') }, everyMs), lines }
}

test('the first failure of a kind is logged at once, later ones are counted', async () => {
  const { log, lines } = recorder(200)
  for (let at = 0; at < 100; at++) log.warn('read', `reading ${at} failed`)
  log.error('write', 'writing failed')
  assert.deepEqual(lines, ['warn reading 0 failed', 'error writing failed'])
  await eventually('the count is logged', () => lines.length > 2)
  const [, , count] = lines
  assert.equal(count, 'warn 99 more in the last 0 s, most recently: reading 99 failed')
  await eventually('the kind is removed', () => {
    log.warn('read', 'another outage')
    return lines.at(-1) === 'warn another outage' || lines.length > 50
  })
})

test('kinds beyond the limit are counted as one', () => {
  const { log, lines } = recorder(60_000)
  for (let at = 0; at < 10 * limits.logKinds; at++) log.warn(`kind ${at}`, 'failed')
  assert.equal(lines.length, limits.logKinds + 1)
})

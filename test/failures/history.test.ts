/** Tests of the checker: what a register permits, and every kind of violation. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mixOf, torn, violations, type Operation } from './history.ts'

type Line = [kind: 'read' | 'write', node: number, value: string, start: number, end: number]

function history(lines: (readonly [...Line] | readonly [...Line, error: string])[]): Operation[] {
  return lines.map(([kind, node, value, start, end, error]) => ({
    ...{ kind, node, value, start, end, file: 'f', slowest: { call: '', ms: 0 } },
    ...(error !== undefined && { error }),
  }))
}

const ONE = ['write', 0, 'one', 0, 10] as const
const TWO = ['write', 1, 'two', 20, 30] as const

test('what one register does is no violation', () => {
  const reads = [
    ['read', 2, 'one', 5, 6],
    ['read', 2, 'one', 25, 40],
    ['read', 2, 'two', 25, 26],
    ['read', 2, 'two', 31, 32],
  ] as const
  assert.deepEqual(violations(history([ONE, TWO, ...reads])), [])
  const both = [ONE, ['write', 1, 'two', 5, 15], ['read', 2, 'one', 20, 21]] as const
  assert.deepEqual(violations(history([...both])), [], 'either of two at once may be the last')
})

test('outdated, early, unknown and mixed content is found', () => {
  const found = (read: Line): string[] => violations(history([ONE, TWO, read]))
  assert.match(found(['read', 2, 'one', 31, 32])[0]!, /replaced by write .* two/)
  assert.match(found(['read', 2, 'two', 11, 19])[0]!, /not yet written/)
  assert.match(found(['read', 2, 'three', 31, 32])[0]!, /nobody wrote this/)
  assert.match(found(['read', 2, mixOf(['one', 'two']), 31, 32])[0]!, /a mix/)
})

test('a mix beside a write is torn: told where the write is on another node', () => {
  for (const [node, count] of [[1, 0] as const, [2, 1] as const]) {
    const all = history([ONE, TWO, ['read', node, mixOf(['one', 'two']), 25, 26]])
    assert.deepEqual(violations(all), [])
    assert.equal(torn(all).length, count)
  }
})

test('no part of a torn read is outdated, early or unknown', () => {
  const three = ['write', 0, 'three', 40, 50] as const
  for (const [part, wrong] of [
    ['one', /replaced by/],
    ['four', /nobody wrote/],
  ] as const) {
    const read = ['read', 2, mixOf([part, 'three']), 45, 46] as const
    assert.match(violations(history([ONE, TWO, three, read]))[0]!, wrong)
  }
})

test('a write that failed takes effect or not, until its node has written again', () => {
  const failed = ['write', 0, 'lost', 5, 10, 'ETIMEDOUT'] as const
  const seen = ['read', 2, 'lost', 40, 41] as const
  assert.deepEqual(violations(history([failed, TWO, seen])), [])
  assert.deepEqual(violations(history([ONE, failed, ['read', 2, 'one', 40, 41]])), [])
  const again = ['write', 0, 'again', 15, 18] as const
  assert.match(violations(history([failed, again, TWO, seen]))[0]!, /replaced by/)
})

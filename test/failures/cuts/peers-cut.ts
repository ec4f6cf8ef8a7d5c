/** A node that reaches no other node, and that none reaches; coordinator and cloud are there. */
import { test } from 'node:test'
import { CALL_MS, survive } from '../scenario.ts'

test('a node is cut from its peers', { timeout: 240_000 }, async (t) => {
  await survive(t, {
    begin: ({ network }) => network.cut('n0', 'pe'),
    end: ({ network }) => network.heal('n0', 'pe'),
    ms: 10_000,
    callMs: CALL_MS,
    errors: ['read EIO'],
  })
})

/** A node that does not reach the cloud: what it writes waits, what it reads comes from others. */
import { test } from 'node:test'
import { CALL_MS, survive } from '../scenario.ts'

test('a node is cut from the cloud', { timeout: 240_000 }, async (t) => {
  await survive(t, {
    begin: ({ network }) => network.cut('n0', 'cl'),
    end: ({ network }) => network.heal('n0', 'cl'),
    ms: 10_000,
    callMs: CALL_MS,
    errors: [],
  })
})

/** A coordinator that no node reaches, for longer than nodes believe their copies of the names. */
import { test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import { AWAY_ERRORS, CALL_MS, survive } from '../scenario.ts'

test('the coordinator is cut from all nodes', { timeout: 240_000 }, async (t) => {
  await survive(t, {
    begin: ({ network }) => network.cut('c', 'co'),
    end: ({ network }) => network.heal('c', 'co'),
    ms: limits.linkTtlMs + 4_000,
    callMs: CALL_MS,
    errors: ['read EIO', ...AWAY_ERRORS],
  })
})

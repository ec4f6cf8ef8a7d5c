/**
 * A node that is cut from the coordinator for longer than it may believe its copy of the names.
 * Reads may fail with EIO on both sides: the last version that was acknowledged may be on one node
 * only, which has journaled the next one over it and cannot commit that.
 */
import { test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import { AWAY_ERRORS, CALL_MS, survive } from '../scenario.ts'

test('a node is cut from the coordinator beyond its time', { timeout: 240_000 }, async (t) => {
  await survive(t, {
    begin: ({ network }) => network.cut('n0', 'co'),
    end: ({ network }) => network.heal('n0', 'co'),
    ms: limits.linkTtlMs + 4_000,
    callMs: CALL_MS,
    errors: ['read EIO', ...AWAY_ERRORS],
  })
})

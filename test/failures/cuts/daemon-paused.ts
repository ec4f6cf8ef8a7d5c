/** A daemon that is stopped for longer than its node is believed, and goes on. */
import { test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import { AWAY_ERRORS, CALL_MS, survive } from '../scenario.ts'

test('a daemon is paused beyond its lease and resumed', { timeout: 240_000 }, async (t) => {
  await survive(t, {
    begin: ({ nodes }) => process.kill(nodes[0]!.daemon, 'SIGSTOP'),
    end: ({ nodes }) => process.kill(nodes[0]!.daemon, 'SIGCONT'),
    ms: limits.linkTtlMs + 4_000,
    callMs: CALL_MS,
    errors: ['read EIO', ...AWAY_ERRORS],
  })
})

/**
 * The promises of a cluster once more, with its names in PostgreSQL: a few rounds of the tests that
 * have the most to say about it. CACHEFS_TEST_STORE=postgres does that to any test of a cluster.
 */
const { env } = process
env['CACHEFS_TEST_STORE'] = 'postgres'

env['CACHEFS_ROUNDS'] = '40'
await import('./close-to-open.test.ts')
env['CACHEFS_ROUNDS'] = '1'
await import('./coordinator-killed.test.ts')
env['CACHEFS_ROUNDS'] = '8'
await import('./races.test.ts')

/**
 * The guarantees of a cluster with its metadata in PostgreSQL: a few rounds of the most relevant
 * tests. CACHEFS_TEST_STORE=postgres does the same for any cluster test.
 */
const { env } = process
env['CACHEFS_TEST_STORE'] = 'postgres'

env['CACHEFS_ROUNDS'] = '40'
await import('./close-to-open.test.ts')
env['CACHEFS_ROUNDS'] = '1'
await import('./coordinator-killed.test.ts')
env['CACHEFS_ROUNDS'] = '8'
await import('./races.test.ts')

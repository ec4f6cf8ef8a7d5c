/**
 * The random tests of clusters and of crashes with more rounds than fit into `make test`.
 * CACHEFS_SEED repeats a run, CACHEFS_ROUNDS is the number of rounds of each.
 */
const { env } = process
const given = env['CACHEFS_ROUNDS']

env['CACHEFS_ROUNDS'] = given ?? '500'
await import('../cluster/close-to-open.test.ts')
await import('../cluster/races.test.ts')
env['CACHEFS_ROUNDS'] = given ?? '40'
await import('../mount/crash-loop.test.ts')
await import('../cluster/coordinator-killed.test.ts')

/** Variables that the programs accept: those of all flags of all programs, and no others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FLAG_NAMES } from '../../src/options/environment.ts'
import { run } from './program.ts'

const VERBS = (
  'up mount umount status wait drain receipt durability missing restore upgrade warm evict ' +
  'explain doctor limits peers'
).split(' ')
const HELP: [string, string[]][] = [
  ...VERBS.map((verb): [string, string[]] => ['cachefs', [verb, '--help']]),
  ['client', ['--help']],
  ['coordinator', ['--help']],
  ['coordinator', ['migrate', '--help']],
  ['coordinator', ['join-token', '--help']],
]

test('every flag has its variable, and every variable a flag', { timeout: 120_000 }, async () => {
  const found = new Set<string>()
  for (const [program, args] of HELP) {
    const { stdout } = await run(program, args, { CACHEFS_NONE: 'is not asked for help' })
    for (const [, name = ''] of stdout.matchAll(/^ +(?:-\w, )?--([a-z0-9-]+)/gm)) found.add(name)
  }
  for (const ours of ['help', 'version']) found.delete(ours)
  assert.deepEqual([...found].sort(), [...FLAG_NAMES].sort())
})

test('an unknown variable ends each program with status 2', async () => {
  const unknown = { CACHEFS_NVME_CAPACTIY: '10' }
  const starts: [string, string[]][] = [
    ['cachefs', ['status']],
    ['client', []],
    ['coordinator', []],
  ]
  for (const [program, args] of starts) {
    const { status, stderr } = await run(program, args, unknown)
    assert.equal(status, 2, program)
    assert.match(stderr, /CACHEFS_NVME_CAPACTIY is set.*did you mean CACHEFS_NVME_CAPACITY\?/)
  }
})

test('a Service of the name of a flag does not count as the flag', async () => {
  const env = { CACHEFS_PORT: 'tcp://10.0.0.1:8080', CACHEFS_API: 'http://127.0.0.1:9' }
  const { status, stderr } = await run('cachefs', ['status'], env)
  assert.equal(status, 1)
  assert.match(stderr, /no node answers at http:\/\/127\.0\.0\.1:9/)
  const node = await run('client', ['--chunk-size', 'x'], env)
  assert.match(node.stderr, /--chunk-size x/, 'the port was no obstacle')
})

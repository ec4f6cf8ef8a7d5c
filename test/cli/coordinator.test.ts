/**
 * `bin/coordinator` from the view of a service manager: one line when ready, signals, failed
 * starts.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { eventually } from '../fixtures/eventually.ts'
import { PostgresServer } from '../fixtures/postgres-server.ts'
import { Program, run } from './program.ts'

const READY = /^ready api=(http:\/\/127\.0\.0\.1:\d+)$/m
const KEY = 'k'

describe('bin/coordinator', () => {
  let home: string
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'cachefs-coordinator-'))
  })
  after(() => rm(home, { recursive: true }))

  const start = (data: string, ...more: string[]): Program =>
    new Program('coordinator', ['-port', '0', '-data', join(home, data), ...more])
  const refused = async (args: string[], message: RegExp): Promise<void> => {
    const { status, stdout, stderr } = await run('coordinator', args)
    assert.deepEqual([status, stdout], [1, ''], stderr)
    assert.match(stderr, message)
    assert.equal(stderr.trim().split('\n').length, 1, `one sentence: ${stderr}`)
  }
  const peers = async (api: string): Promise<string[]> => {
    const answer = await fetch(`${api}/api/peers`, { headers: { 'x-api-key': KEY } })
    return ((await answer.json()) as { id: string }[]).map(({ id }) => id)
  }
  const register = async (api: string, id: string): Promise<void> => {
    const body = JSON.stringify({ id, url: 'http://10.0.0.1:8081', capacityBytes: 1 })
    const headers = { 'x-api-key': KEY, 'content-type': 'application/json' }
    const answer = await fetch(`${api}/api/peers/register`, { method: 'POST', headers, body })
    assert.equal(answer.status, 200)
  }

  test('explains its flags', async () => {
    const { status, stdout } = await run('coordinator', ['-help'])
    assert.equal(status, 0)
    assert.match(stdout, /--port <port> .*default 8080\).*CACHEFS_API_KEY/s)
  })

  test('a command line that is wrong: status 2, and no password repeated', async () => {
    for (const [args, message] of [
      [['-nonsense'], /unknown option/],
      [['-port', '99999'], /^coordinator: --port 99999: give a whole number from 0 to 65535\n$/],
      [['-api-key', 'REPLACE-ME'], /^coordinator: --api-key: this is the example: /],
      [['-api-key', 'secret\nsecret'], /^coordinator: --api-key: give one line of up to /],
      [['-api-key-file', '/dev/null/none'], /-api-key-file .*: the file cannot be read: ENOTDIR/],
      [['-host', '0.0.0.0'], /^coordinator: other machines reach 0\.0\.0\.0, so give an API key/],
      [['-store', 'mysql'], /^coordinator: --store: give sqlite, or postgres:.*\n$/],
    ] as [string[], RegExp][]) {
      const { status, stdout, stderr } = await run('coordinator', args)
      assert.deepEqual([status, stdout], [2, ''])
      assert.match(stderr, message)
      assert.doesNotMatch(stderr, /secret/)
    }
  })

  test('names in PostgreSQL: ready, stopped, and no password in sight', async () => {
    await using server = await PostgresServer.start()
    const url = new URL(await server.database())
    url.password = 'secret'
    await using coordinator = start('postgres', '-store', url.href)
    const [, api = ''] = await coordinator.says(READY)
    await eventually('it leads', async () => (await fetch(`${api}/api/health/ready`)).ok)
    const title = readFileSync(`/proc/${coordinator.child.pid}/cmdline`, 'latin1')
    assert.match(title, /coordinator.* --store postgres:\/\/cachefs@127/)
    assert.doesNotMatch(title, /secret/)
    coordinator.child.kill('SIGTERM')
    const { status, stderr } = await coordinator.ended
    assert.equal(status, 0, stderr)
    assert.doesNotMatch(stderr, /secret/)
    assert.match(stderr, /use CACHEFS_STORE instead/)
    await refused(
      ['-port', '0', '-data', join(home, 'away'), '-store', 'postgres://u:secret@127.0.0.1:1/d'],
      /postgres:\/\/u@127\.0\.0\.1:1\/d is unreachable/,
    )
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} stops it: status 0`, async () => {
      await using coordinator = start(signal)
      const [, api = ''] = await coordinator.says(READY)
      assert.equal((await fetch(`${api}/api/health`)).status, 200)
      coordinator.child.kill(signal)
      const { status, stdout, stderr } = await coordinator.ended
      assert.equal(status, 0, stderr)
      assert.match(stdout, /^ready [^\n]*\n$/, 'only that line is on standard output')
      assert.match(stderr, new RegExp(`\\[COORDINATOR\\] ${signal}: stopping`))
    })
  }

  test('every flag is an environment variable', async () => {
    const env = { CACHEFS_PORT: '0', CACHEFS_DATA: join(home, 'env'), CACHEFS_API_KEY: KEY }
    await using coordinator = new Program('coordinator', [], { ...env, CACHEFS_HOST: '127.0.0.1' })
    const [, api = ''] = await coordinator.says(READY)
    assert.equal((await fetch(`${api}/api/peers`)).status, 401)
    assert.deepEqual(await peers(api), [])
  })

  test('a restart, and a kill, keep the nodes', async () => {
    const data = ['kept', '-api-key', KEY, '-host', '127.0.0.1'] as const
    await using first = start(...data)
    const [, one = ''] = await first.says(READY)
    await register(one, 'a')
    first.child.kill('SIGKILL')
    await first.ended
    await using second = start(...data)
    const [, two = ''] = await second.says(READY)
    assert.deepEqual(await peers(two), ['a'])
    await register(two, 'b')
    second.child.kill('SIGTERM')
    assert.equal((await second.ended).status, 0)
    await using third = start(...data)
    const [, three = ''] = await third.says(READY)
    assert.deepEqual(await peers(three), ['a', 'b'])
  })

  test('a port, or a data directory, that somebody else has', async () => {
    await using holder = start('holder')
    const [, api = ''] = await holder.says(READY)
    const { port } = new URL(api)
    const args = ['-port', port, '-data', join(home, 'port')]
    await refused(args, /port \d+ is in use: stop what uses it, or choose another -port/)
    const second = ['-port', '0', '-data', join(home, 'holder')]
    await refused(second, /holder is in use by another process: stop it, or use another -data/)
  })

  test('a data directory that cannot be one', async () => {
    await writeFile(join(home, 'file'), '')
    for (const data of ['file', 'file/below']) {
      await refused(['-port', '0', '-data', join(home, data)], /the data directory .* cannot be/)
    }
  })

  test('a damaged database is not overwritten', async () => {
    await using first = start('damaged')
    await first.says(READY)
    first.child.kill('SIGTERM')
    await first.ended
    await writeFile(join(home, 'damaged/coordinator.db'), 'not a database at all'.repeat(1000))
    await refused(
      ['-port', '0', '-data', join(home, 'damaged')],
      /coordinator\.db is damaged: restore it from a backup, or move it away/,
    )
  })
})

/** `bin/client` from the view of a service manager: one line when ready, signals, exit statuses. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Program, run } from './program.ts'

const NVME = mkdtempSync(join(tmpdir(), 'cachefs-client-'))
const ARGS = ['-port', '0', '-mount', '/tmp/none', '-cloud-dir', '/tmp/cloud', '-nvme', NVME]
after(() => rmSync(NVME, { recursive: true }))
const READY = /^ready mount=\/tmp\/none api=(http:\/\/127\.0\.0\.1:\d+)$/m

describe('bin/client', () => {
  test('explains its flags, and says its version', async () => {
    const help = await run('client', ['-help'])
    assert.equal(help.status, 0)
    assert.match(help.stdout, /--nvme-capacity <size> .*default 10\).*CACHEFS_NVME_CAPACITY/s)
    const version = await run('client', ['--version'])
    assert.deepEqual([version.status, /^\d+\.\d+\.\d+\n$/.test(version.stdout)], [0, true])
  })

  for (const [args, message] of [
    [['-nonsense'], /unknown option/],
    [['-port', 'http'], /^client: --port http: give a whole number from 0 to 65535\n$/],
    [
      ['-host', '0.0.0.0', '-cloud-dir', '/tmp/c'],
      /^client: other machines reach 0\.0\.0\.0, so give an API key[^\n]*\n$/,
    ],
    [['extra'], /too many arguments/],
    [['-port'], /argument missing/],
  ] as [string[], RegExp][]) {
    test(`${args.join(' ')}: status 2`, async () => {
      const { status, stdout, stderr } = await run('client', args)
      assert.deepEqual([status, stdout], [2, ''])
      assert.match(stderr, message)
    })
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} stops it: status 0`, async () => {
      await using client = new Program('client', ARGS, { STAND_IN: 'works' })
      const [, api = ''] = await client.says(READY)
      const headers = { 'x-api-key': readFileSync(join(NVME, 'api-key'), 'utf8').trim() }
      assert.equal((await fetch(`${api}/api/status`, { headers })).status, 200)
      client.child.kill(signal)
      const { status, stdout, stderr } = await client.ended
      assert.equal(status, 0, stderr)
      assert.match(stdout, /^ready [^\n]*\n$/, 'only that line is on standard output')
      assert.match(stderr, new RegExp(`\\[CLIENT\\] ${signal}: stopping`))
    })
  }

  test('the same Ctrl-C delivered twice is one, a later one does not wait', async () => {
    await using client = new Program('client', ARGS, { STAND_IN: 'hangs-at-stop' })
    await client.says(READY)
    client.child.kill('SIGINT')
    await client.says(/SIGINT: stopping/)
    client.child.kill('SIGINT')
    await sleep(400)
    assert.equal(client.child.exitCode ?? client.child.signalCode, null)
    client.child.kill('SIGINT')
    assert.equal((await client.ended).signal, 'SIGKILL')
  })

  test('a node that cannot start: one sentence, status 1', async () => {
    const { status, stdout, stderr } = await run('client', ARGS, { STAND_IN: 'fails-to-start' })
    assert.deepEqual([status, stdout], [1, ''])
    assert.equal(stderr, 'client: the bucket is not there: make it first\n')
  })

  test('a node that fails later: stopped, one sentence, status 1', async () => {
    const { status, stdout, stderr } = await run('client', ARGS, { STAND_IN: 'fails-later' })
    assert.equal(status, 1)
    assert.match(stdout, READY)
    assert.match(stderr, /^client: the disk is gone$/m)
  })

  test('a lost promise is logged and ends nothing', async () => {
    await using client = new Program('client', ARGS, { STAND_IN: 'loses-a-promise' })
    await client.says(/ERROR \[CLIENT\] a promise failed that nobody waited for: a lost one/)
    await client.says(READY)
    client.child.kill('SIGTERM')
    assert.equal((await client.ended).status, 0)
  })
})

/** `up` and `umount`: a node in the foreground, one in the background, and cleanup. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Program, run } from './program.ts'
import type { Ended } from './program.ts'

describe('cachefs up', () => {
  let dir: string
  const env = { STAND_IN: 'works' }
  const cachefs = (...args: string[]): Promise<Ended> =>
    run('cachefs', [...args, '--dir', dir], env)

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cachefs-up-'))
  })

  after(() => rm(dir, { recursive: true }))

  test('in the foreground: says what to try, is found by other verbs, ends cleanly', async () => {
    await using up = new Program('cachefs', ['up', '--port', '0', '--dir', dir], env)
    await up.says(/ready mount=\S+\/mount api=http:\S+\n[^]*cachefs wait [^]*cachefs umount \S/)
    const { stdout } = await cachefs('status', '--json')
    const { mountPoint, pid } = JSON.parse(stdout) as { mountPoint: string; pid: number }
    assert.deepEqual([mountPoint, pid], [join(dir, 'mount'), up.child.pid])
    const second = await cachefs('up', '--port', '0')
    assert.equal(second.status, 1)
    assert.match(second.stderr, /a node already runs in .*`cachefs umount`/)
    const down = await cachefs('umount')
    assert.equal(down.status, 0, down.stderr)
    assert.equal((await up.ended).status, 0)
    await assert.rejects(stat(join(dir, 'node.json')), { code: 'ENOENT' })
  })

  test('in the background: ready when it returns, with a log', async () => {
    const up = await cachefs('up', '-detach', '-port', '0', '-json')
    assert.equal(up.status, 0, up.stderr)
    const { apiUrl } = JSON.parse(up.stdout) as { apiUrl: string }
    try {
      const key = (await readFile(join(dir, 'api-key'), 'utf8')).trim()
      const headers = { 'x-api-key': key }
      assert.equal((await fetch(`${apiUrl}/api/status`, { headers })).status, 200)
    } finally {
      const down = await cachefs('umount', '--json')
      const { stoppedProcess } = JSON.parse(down.stdout) as { stoppedProcess: number }
      assert.ok(stoppedProcess > 0)
    }
    assert.match(await readFile(join(dir, 'node.log'), 'utf8'), /SIGTERM: stopping/)
    await assert.rejects(fetch(`${apiUrl}/api/status`))
  })

  test('in the background, failing: says why, status 1', async () => {
    const args = ['up', '--detach', '--dir', dir, '-port', '0']
    const { status, stderr } = await run('cachefs', args, { STAND_IN: 'fails-to-start' })
    assert.equal(status, 1)
    assert.match(stderr, /did not start: cachefs: the bucket is not there.*node\.log/)
  })

  test('umount without a node says so', async () => {
    const { status, stderr } = await cachefs('umount')
    assert.equal(status, 1)
    assert.match(stderr, /no node runs here and nothing is mounted at .*mount/)
  })
})

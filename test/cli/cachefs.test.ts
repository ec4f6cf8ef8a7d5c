/** Verbs that call a node: their requests, output and exit status. */
import assert from 'node:assert/strict'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Program, run } from './program.ts'
import type { Ended } from './program.ts'

describe('bin/cachefs', () => {
  let node: Program
  let env: Record<string, string>
  let nvme: string
  const cachefs = (...args: string[]): Promise<Ended> => run('cachefs', args, env)

  before(async () => {
    nvme = await mkdtemp(join(tmpdir(), 'cachefs-cli-'))
    node = new Program('client', [...args(), '-api-key', 'k'], { STAND_IN: 'works' })
    const [, api = ''] = await node.says(/api=(\S+)/)
    env = { CACHEFS_API: api }
  })

  after(async () => {
    await node[Symbol.asyncDispose]()
    await rm(nvme, { recursive: true })
  })

  const args = (folder = nvme): string[] => {
    return ['-port', '0', '-mount', '/tmp/none', '-cloud-dir', '/tmp/c', '-nvme', folder]
  }

  test('status, for people and as JSON', async () => {
    const people = await cachefs('status')
    assert.match(people.stdout, /^mountPoint +\/tmp\/none\n/)
    assert.match(people.stdout, /^cache\.usedBytes +5\.0 MB$/m)
    const { status, stdout } = await cachefs('status', '--json')
    assert.equal(status, 0)
    const { pid } = JSON.parse(stdout) as { pid: number }
    assert.equal(pid, node.child.pid)
  })

  test('status of a node in a cluster ends with the nodes', async () => {
    const other = args(join(nvme, 'member'))
    await using member = new Program('client', other, { STAND_IN: 'has-peers' })
    const [, api = ''] = await member.says(/api=(\S+)/)
    const { stdout } = await cachefs('status', '--api', api)
    assert.match(stdout, /usedBytes .*\n\ncoordinator http:\/\/c:8080: connected .*\nnode +state /)
    assert.doesNotMatch(stdout, /cluster\./)
    const json = JSON.parse((await cachefs('status', '--api', api, '--json')).stdout) as object
    assert.ok('cluster' in json)
  })

  test('drain returns when nothing is owed, or says what is', async () => {
    const drained = await cachefs('drain', '--json')
    assert.equal(drained.status, 0)
    assert.deepEqual(JSON.parse(drained.stdout), { backlog: { chunks: 0, bytes: 0 } })
    const other = args(join(nvme, 'debtor'))
    await using debtor = new Program('client', other, { STAND_IN: 'owes' })
    const [, api = ''] = await debtor.says(/api=(\S+)/)
    const { status, stderr } = await cachefs('drain', '--api', api, '--timeout', '0.3')
    assert.equal(status, 1)
    const owed =
      /^cachefs: 3 chunks \(3\.0 KB\) are not in the cloud yet: s3 takes no uploads since/
    assert.match(stderr, owed)
    const { stdout } = await cachefs('status', '--api', api)
    assert.match(
      stdout,
      /\n\ns3 takes no uploads since noon\n {2}works: reads\n {2}fails: waiting\n$/,
    )
  })

  test('receipt and explain ask about the path in the volume', async () => {
    for (const verb of ['receipt', 'explain']) {
      const { stdout } = await cachefs(verb, '/tmp/none/a b/ü?', '-json')
      const { url } = JSON.parse(stdout) as { url: string }
      assert.equal(url, `/api/${verb}/a%20b/%C3%BC%3F`)
    }
    const none = await cachefs('receipt', '/none')
    assert.deepEqual([none.status, none.stderr], [1, 'cachefs: ENOENT: no such file: /none\n'])
  })

  test('wait, warm and evict report as they get on', async () => {
    for (const verb of ['wait', 'warm', 'evict']) {
      const { status, stdout } = await cachefs(verb, '--json', '/tmp/none/x', '/y')
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object)
      const paths = ['/x', '/y']
      assert.equal(status, 0)
      assert.deepEqual(lines, [
        { doneBytes: 0, totalBytes: 1024, doneFiles: 0, totalFiles: 2 },
        { doneBytes: 1024, totalBytes: 1024, doneFiles: 2, totalFiles: 2, done: true, paths },
      ])
      for (const path of ['/stops', '/cut']) {
        const stopped = await cachefs(verb, path)
        assert.equal(stopped.status, 1)
        assert.match(stopped.stderr, /stopped answering before it was done/)
      }
      const failed = await cachefs(verb, '/fails')
      assert.deepEqual([failed.status, failed.stderr], [1, 'cachefs: the cloud is away\n'])
      assert.equal((await cachefs(verb)).status, 2)
    }
  })

  test('says what to do without a node, and without the key', async () => {
    const nobody = await cachefs('status', '--api', 'http://127.0.0.1:9')
    assert.equal(nobody.status, 1)
    assert.match(nobody.stderr, /no node answers at http:\/\/127\.0\.0\.1:9 .*`cachefs up`/)
    // Simulates a user who may not read the record.
    await rename(join(nvme, 'node.json'), join(nvme, 'unreadable'))
    const stranger = await cachefs('status')
    await rename(join(nvme, 'unreadable'), join(nvme, 'node.json'))
    assert.equal(stranger.status, 1)
    assert.match(stranger.stderr, /wants its key: only the user who runs it may read it in /)
    const wrong = await cachefs('status', '--api-key', 'other')
    assert.match(wrong.stderr, /does not accept this key/)
  })

  test('usage: status 2 and a hint; help: status 0', async () => {
    assert.deepEqual((await cachefs('stauts')).stderr.split('\n').slice(0, 2), [
      "error: unknown command 'stauts'",
      '(Did you mean status?)',
    ])
    assert.equal((await cachefs('stauts')).status, 2)
    assert.equal((await cachefs('status', '--nope')).status, 2)
    assert.equal((await cachefs('receipt')).status, 2)
    assert.equal((await cachefs('status', '--api', 'localhost')).status, 2)
    assert.equal((await cachefs()).status, 2)
    assert.equal((await cachefs('--help')).status, 0)
    assert.equal((await cachefs('wait', '--help')).status, 0)
  })
})

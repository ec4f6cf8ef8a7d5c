/** `doctor`: one line per requirement, a remedy for each that is not met, and the exit status. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { run } from './program.ts'

interface Finding {
  name: string
  ok: boolean
  detail: string
  remedy: string
}

describe('cachefs doctor', () => {
  let dir: string

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cachefs-doctor-'))
  })

  after(() => rm(dir, { recursive: true }))

  async function doctor(...args: string[]): Promise<{ status: number | null; found: Finding[] }> {
    const { status, stdout } = await run('cachefs', ['doctor', '--dir', dir, '--json', ...args])
    return { status, found: JSON.parse(stdout) as Finding[] }
  }

  test('looks at everything a node needs; its status says whether all is there', async () => {
    const { status, found } = await doctor('--port', '0')
    const names = found.map(({ name }) => name)
    for (const name of ['Linux', 'Node', '/dev/fuse', 'right to mount', 'open files', 'space']) {
      assert.ok(names.includes(name), name)
    }
    assert.equal(status, found.every(({ ok }) => ok) ? 0 : 1)
    assert.ok(found.every(({ ok, remedy }) => ok === (remedy === '')))
    assert.ok(found.find(({ name }) => name === 'native calls (koffi)')?.ok)
    assert.ok(names.includes('passthrough'))
    const off = (await doctor('--port', '0', '--passthrough', 'off')).found
    assert.match(off.find(({ name }) => name === 'passthrough')?.detail ?? '', /^no \(/)
  })

  test('a port that is taken, a mount point that is a file, a disk without room', async () => {
    await using server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const floor = ['--nvme-free-floor', '100T', '--mount', import.meta.filename]
    const { status, found } = await doctor('--port', String(port), ...floor)
    assert.equal(status, 1)
    const remedy = (name: string) => found.find((it) => it.name === name && !it.ok)?.remedy
    assert.match(remedy('port') ?? '', /choose another with --port/)
    assert.match(remedy('mount point') ?? '', /choose one with --mount/)
    assert.match(remedy('space') ?? '', /--nvme/)
  })

  test('a cloud that is not there', async () => {
    const s3 = ['--cloud-provider', 's3', '--s3-endpoint', 'http://127.0.0.1:9']
    const env = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }
    const args = ['doctor', '--dir', dir, '--json', '--port', '0', ...s3]
    const { status, stdout } = await run('cachefs', args, env)
    const cloud = (JSON.parse(stdout) as Finding[]).find(({ name }) => name === 'cloud')
    assert.equal(status, 1)
    assert.equal(cloud?.ok, false)
    assert.match(cloud.detail, /127\.0\.0\.1:9/)
  })

  test('for people: one line each, and the remedy below what is missing', async () => {
    const args = ['doctor', '--dir', dir, '--port', '0', '--nvme-free-floor', '100T']
    const { stdout } = await run('cachefs', args)
    assert.match(stdout, /^ok {6} Node: \d/m)
    assert.match(stdout, /^missing {2}space: 0 B to use in .*\n {9}free some/m)
  })
})

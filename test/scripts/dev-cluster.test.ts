/** `make dev-start` and `make dev-stop`, with two nodes: real mounts, a kill, and nothing left. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { findMount } from '../../src/fuse/mount/mount-table.ts'
import { withFuse } from '../mount/fuse-scratch.ts'

const run = promisify(execFile)
const SCRIPT = join(import.meta.dirname, '../../scripts/dev-cluster/dev-cluster.ts')

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

describe('a cluster to develop with', withFuse, () => {
  let dir: string
  let args: string[]
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cachefs-dev-'))
    args = ['--dir', dir, '--port', String(await freePort()), '--nodes', '2']
  })
  after(async () => {
    await cluster('stop')
    await rm(dir, { recursive: true })
  })

  const cluster = async (verb: string): Promise<string> => {
    const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('CACHEFS_'))
    const env = Object.fromEntries(ours)
    return (await run(process.execPath, [SCRIPT, verb, ...args], { env })).stdout
  }
  const pidOf = async (name: string): Promise<number> =>
    (JSON.parse(await readFile(join(dir, `${name}.pid`), 'utf8')) as { pid: number }).pid

  test('is there when it says so; what one node writes, the other reads', async () => {
    const said = await cluster('start')
    assert.match(said, /coordinator: ready api=.*\nnode-1: ready mount=.*\nnode-2: ready mount=/)
    await writeFile(join(dir, 'mount-1/file'), 'from one')
    assert.equal(await readFile(join(dir, 'mount-2/file'), 'utf8'), 'from one')
    assert.deepEqual(await readdir(join(dir, 'mount-2')), ['file'])
  })

  test('started again, it brings back what was killed and leaves the rest', async () => {
    const before = await pidOf('node-1')
    process.kill(await pidOf('node-2'), 'SIGKILL')
    const said = await cluster('start')
    assert.match(said, /coordinator: runs already\nnode-1: runs already\nnode-2: ready /)
    assert.equal(await pidOf('node-1'), before)
    assert.equal(await readFile(join(dir, 'mount-2/file'), 'utf8'), 'from one')
  })

  test('stopped, it leaves no mount, though a node was killed', async () => {
    process.kill(await pidOf('node-1'), 'SIGKILL')
    const said = await cluster('stop')
    assert.match(said, /node-1: was gone already/)
    assert.match(said, /node-2: stopped/)
    assert.match(said, /coordinator: stopped/)
    for (const n of [1, 2]) assert.equal(findMount(join(dir, `mount-${n}`)), undefined)
    assert.match(await cluster('stop'), /nothing that was started in .* runs/)
  })
})

/** Tests which node a verb chooses when several run: the one whose mount has the path. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { withFuse } from './fuse-scratch.ts'

const CACHEFS = new URL('../../src/cli/cachefs.ts', import.meta.url).pathname

interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

describe('with two nodes', withFuse, () => {
  let homes: ClientHome[]
  let nodes: ClientProcess[]
  /** Home without a node in its ~/.cachefs. */
  let nowhere: ClientHome

  before(async () => {
    homes = [new ClientHome(), new ClientHome()]
    nowhere = new ClientHome()
    nodes = await Promise.all(homes.map((home) => ClientProcess.start(home)))
    homes.forEach(({ mount }, at) => {
      mkdirSync(join(mount, 'folder'))
      writeFileSync(join(mount, 'folder/file'), 'x'.repeat(at + 1))
    })
  })

  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    for (const home of [...homes, nowhere]) home[Symbol.dispose]()
  })

  const file = (at: number): string => join(homes[at]!.mount, 'folder/file')
  const cachefs = (args: string[], options: { cwd?: string; env?: object } = {}): Ended => {
    const env = { ...process.env, HOME: nowhere.directory, ...options.env }
    const how = { encoding: 'utf8', cwd: options.cwd, env } as const
    return spawnSync(process.execPath, [CACHEFS, ...args], how)
  }
  const sizeOf = (ended: Ended): unknown => {
    assert.equal(ended.status, 0, ended.stderr)
    return (JSON.parse(ended.stdout) as { size?: unknown }).size
  }
  const refused = (args: string[], message: RegExp, env?: object): void => {
    const { status, stderr } = cachefs(args, env && { env })
    assert.notEqual(status, 0)
    assert.match(stderr, message)
    assert.equal(stderr.trim().split('\n').length, 1, stderr)
  }

  test('a path on its mount, relative, through links or bind mounts, is enough', () => {
    for (const at of [0, 1]) {
      assert.equal(sizeOf(cachefs(['receipt', file(at), '--json'])), at + 1)
      const cwd = join(homes[at]!.mount, 'folder')
      assert.equal(sizeOf(cachefs(['receipt', 'file', '--json'], { cwd })), at + 1)
    }
    symlinkSync(homes[1]!.mount, join(nowhere.directory, 'link'))
    const linked = join(nowhere.directory, 'link/folder/file')
    assert.equal(sizeOf(cachefs(['receipt', linked, '--json'])), 2)
    const bound = join(nowhere.directory, 'bound')
    mkdirSync(bound)
    spawnSync('mount', ['--bind', join(homes[1]!.mount, 'folder'), bound])
    try {
      assert.equal(sizeOf(cachefs(['receipt', join(bound, 'file'), '--json'])), 2)
      refused(['umount', bound], /is a bind mount of .*: `umount .*` takes it away/)
    } finally {
      spawnSync('umount', [bound])
    }
  })

  test('paths of both go to both', () => {
    const { status, stdout, stderr } = cachefs(['wait', file(0), file(1)])
    assert.equal(status, 0, stderr)
    assert.equal(stdout.match(/^files +1$/gm)?.length, 2, stdout)
  })

  test('--dir is that folder or nothing', () => {
    assert.equal(sizeOf(cachefs(['receipt', '/folder/file', '--json', '--dir', homes[1]!.nvme])), 2)
    const { directory } = nowhere
    const api = { CACHEFS_API: nodes[0]!.api }
    refused(['status', '--dir', directory], /no node runs in .*: start one there/, api)
    refused(['receipt', file(0), '--dir', directory], /no node runs in/, api)
    refused(['umount', '--dir', directory], /no node runs here and nothing is mounted at/, api)
    refused(['umount', homes[0]!.mount, '--dir', homes[1]!.nvme], /belongs to the node in .*nvme/)
    refused(['receipt', file(0), '--dir', homes[1]!.nvme], /another node serves .*: leave --dir/)
    refused(['status', '--dir', directory, '--api', nodes[0]!.api], /give one of them/)
    for (const node of nodes) assert.equal(node.child.exitCode, null)
  })

  test('nothing is guessed between several', () => {
    refused(['status'], /several nodes run here: say which with --dir/)
    refused(['umount'], /several nodes run here: say which with --dir/)
  })

  test('a file mount has no API, and is unmounted as others are', async () => {
    const [place, remote, local] = ['files', 'remote', 'local'].map((name) =>
      join(nowhere.directory, name),
    )
    mkdirSync(remote!)
    const args = ['mount', place!, '--remote', `file://${remote}`, '--local', local!]
    const child = spawn(process.execPath, [CACHEFS, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    refused(['receipt', join(place!, 'x')], /of `cachefs mount`, which has no API/)
    const ended = once(child, 'exit')
    const { status, stdout, stderr } = cachefs(['umount', place!, '--json'])
    assert.equal(status, 0, stderr)
    const { stoppedProcess } = JSON.parse(stdout) as { stoppedProcess: number }
    assert.equal(stoppedProcess, child.pid)
    assert.deepEqual(await ended, [0, null])
  })
})

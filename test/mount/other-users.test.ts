/**
 * Other users of the machine: data of a node, a coordinator and an attached file system is readable
 * only for its owner, also in existing folders; and symbolic links placed there by others are not
 * followed.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { CoordinatorProcess } from '../fixtures/coordinator-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { run } from '../cli/program.ts'
import { withFuse } from './fuse-scratch.ts'

const NOBODY = 65_534

/** Lists everything below the folder that grants rights to other users. */
function openToOthers(folder: string): string[] {
  const found = spawnSync(
    'find',
    [folder, '-ignore_readdir_race', '-mindepth', '1', '-perm', '/077'],
    { encoding: 'utf8' },
  )
  assert.equal(found.status, 0, found.stderr)
  return found.stdout.split('\n').filter((line) => line !== '')
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o7777
}

async function writeAndUpload(home: ClientHome, client: ClientProcess): Promise<void> {
  writeFileSync(join(home.mount, 'private'), 'private', { mode: 0o600 })
  const { status, stderr } = await run('cachefs', ['wait', join(home.mount, 'private')])
  assert.equal(status, 0, stderr)
  assert.equal(await client.stop(), 0)
}

test(
  'a node on folders that were open to all shuts them, with all that is in them',
  withFuse,
  async () => {
    using home = new ClientHome()
    for (const path of [home.nvme, home.cloud]) chmodSync(path, 0o777)
    await writeAndUpload(home, await ClientProcess.start(home))
    assert.deepEqual([home.nvme, home.cloud].flatMap(openToOthers), [])
    assert.equal(modeOf(home.nvme), 0o700)
    // As an earlier version left them: databases, their logs, the lock, objects.
    spawnSync('chmod', ['-R', 'go+rX', home.nvme, join(home.cloud, 'chunks')])
    chmodSync(join(home.nvme, 'api-key'), 0o600)
    chmodSync(join(home.nvme, 'metrics-token'), 0o600)
    const client = await ClientProcess.start(home)
    for (const name of readdirSync(home.nvme))
      assert.equal(modeOf(join(home.nvme, name)) & 0o077, 0)
    assert.equal(modeOf(join(home.cloud, 'chunks')), 0o700)
    assert.equal(readFileSync(join(home.mount, 'private'), 'utf8'), 'private')
    assert.equal(await client.stop(), 0)
  },
)

test(
  'links in the place of what a node keeps are refused, and not followed',
  withFuse,
  async () => {
    for (const name of ['data', 'volume.db', 'lock.db', 'spare']) {
      using home = new ClientHome()
      const outside = join(home.directory, 'outside')
      mkdirSync(outside)
      symlinkSync(join(outside, name === 'data' ? '' : name), join(home.nvme, name))
      const { code, stderr } = await ClientProcess.run(home)
      assert.equal(code, 1, stderr)
      assert.match(stderr, new RegExp(`nvme/${name} is a symbolic link.*remove it`))
      assert.deepEqual(readdirSync(outside), [])
    }
  },
)

test('links in a folder that is the cloud are refused, and not followed', withFuse, async () => {
  for (const name of ['writing~', 'chunks']) {
    using home = new ClientHome()
    const outside = join(home.directory, 'outside')
    mkdirSync(outside)
    symlinkSync(outside, join(home.cloud, name))
    if (name === 'writing~') {
      const { code, stderr } = await ClientProcess.run(home)
      assert.equal(code, 1, stderr)
      assert.match(stderr, /writing~ is a symbolic link to .*outside/)
    } else {
      const client = await ClientProcess.start(home)
      writeFileSync(join(home.mount, 'file'), 'content')
      await eventually('the upload fails', () =>
        /symbolic link to .*outside/.test(client.log.join('')),
      )
      await client.kill()
    }
    assert.deepEqual(readdirSync(outside), [])
  }
})

test(
  'a folder of another user, or one with other things where all may write, is refused',
  withFuse,
  async () => {
    using home = new ClientHome()
    chownSync(home.nvme, NOBODY, NOBODY)
    const foreign = await ClientProcess.run(home)
    assert.match(foreign.stderr, /belongs to user 65534.*chown.*-nvme/)
    chownSync(home.nvme, 0, 0)
    chmodSync(home.nvme, 0o777)
    writeFileSync(join(home.nvme, 'something'), 'else')
    const shared = await ClientProcess.run(home)
    assert.match(shared.stderr, /can be written to by other users.*chmod 700.*-nvme/)
    assert.deepEqual(readdirSync(home.nvme), ['something'])
    assert.equal(modeOf(home.nvme), 0o777)
    // If others may only read, the node does not change the mode.
    chmodSync(home.nvme, 0o755)
    const client = await ClientProcess.start(home)
    assert.deepEqual(openToOthers(home.nvme), [join(home.nvme, 'something')])
    assert.equal(modeOf(home.nvme), 0o755)
    assert.equal(await client.stop(), 0)
  },
)

test('a coordinator shuts its folder too', withFuse, async () => {
  using home = new ClientHome()
  const data = join(home.directory, 'data')
  mkdirSync(data, { mode: 0o777 })
  chmodSync(data, 0o777)
  const coordinator = new CoordinatorProcess(['-data', data])
  await coordinator.start()
  assert.equal(modeOf(data), 0o700)
  assert.deepEqual(openToOthers(data), [])
  await coordinator.kill()
})

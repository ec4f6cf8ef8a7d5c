/** File handles (name_to_handle_at(2)) are valid as long as their file exists. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { withFuse } from './fuse-scratch.ts'

const PROGRAM = new URL('../fixtures/file-handle.py', import.meta.url).pathname

function run(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('python3', [PROGRAM, ...args], { encoding: 'utf8' })
  return status === 0 ? stdout : stderr.trim()
}

test('file handles survive a restart of the node, and end with the file', withFuse, async () => {
  using home = new ClientHome()
  let client = await ClientProcess.start(home)
  try {
    const folder = join(home.mount, 'folder')
    fs.mkdirSync(folder)
    fs.writeFileSync(join(folder, 'kept'), 'what it holds')
    fs.writeFileSync(join(folder, 'removed'), 'what it held')
    const [kept, removed, listed] = ['kept', 'removed', '.'].map((name) =>
      run('encode', join(folder, name)),
    )
    assert.equal(run('read', home.mount, kept!), 'what it holds')
    fs.unlinkSync(join(folder, 'removed'))
    for (const end of ['stop', 'kill'] as const) {
      await client[end]()
      client = await ClientProcess.start(home)
      assert.equal(run('read', home.mount, kept!), 'what it holds', end)
      assert.equal(run('read', home.mount, listed!), 'kept')
      assert.equal(run('read', home.mount, removed!), 'open_by_handle_at: Stale file handle')
    }
    fs.renameSync(join(folder, 'kept'), join(home.mount, 'moved'))
    assert.equal(run('read', home.mount, kept!), 'what it holds')
  } finally {
    await client.stop()
  }
})

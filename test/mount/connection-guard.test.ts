/**
 * The guard of a connection (src/fuse/mount/connection-guard.ts) may notice the death of its
 * process when another mount has the number of the connection already.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConnectionGuard } from '../../src/fuse/mount/connection-guard.ts'
import { deviceOf } from '../../src/fuse/mount/mount.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { withFuse } from './fuse-scratch.ts'

/** Other tests mount at the same time, and may be given the number. */
const ATTEMPTS = 10

/** The guards of a process. */
function guardsOf(pid: number): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      const [shell, , script, guarded] = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
      return shell === 'sh' && script?.includes('fusectl') === true && guarded === String(pid)
    } catch {
      return false
    }
  })
}

test('a mount with the number of an ended connection is not aborted', withFuse, async () => {
  using home = new ClientHome()
  let client = await ClientProcess.start(home)
  for (let attempt = 1; ; attempt++) {
    const served = spawn('sleep', ['300'])
    const device = deviceOf(home.mount)
    new ConnectionGuard(home.mount, served.pid)
    await eventually('the guard runs', () => guardsOf(served.pid!).length > 0)
    assert.equal(await client.stop(), 0)
    client = await ClientProcess.start(home)
    const isReused = deviceOf(home.mount) === device
    served.kill()
    await eventually('the guard has ended', () => guardsOf(served.pid!).length === 0)
    writeFileSync(join(home.mount, 'file'), 'the mount is there')
    if (isReused) break
    assert.ok(attempt < ATTEMPTS, 'no connection number was used again')
  }
  assert.equal(await client.stop(), 0)
})

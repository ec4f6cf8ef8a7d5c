/** A mount whose node is gone ("Transport endpoint is not connected") is detected and removed. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { withFuse } from '../mount/fuse-scratch.ts'
import { run } from './program.ts'

/** Mounts with a descriptor that is closed at once, which looks as if the node had been killed. */
function leaveStaleMount(mountPoint: string): void {
  const fd = openSync('/dev/fuse', 'r+')
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0'
  const args = ['-i', '-c', '-t', 'fuse.stale', '-o', options, 'stale', mountPoint]
  const stdio = ['ignore', 'inherit', 'inherit', fd] as const
  const { status } = spawnSync('mount', args, { stdio: [...stdio], timeout: 10_000 })
  closeSync(fd)
  assert.equal(status, 0)
}

test('doctor finds a stale mount, umount cleans it up', withFuse, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cachefs-stale-'))
  const mountPoint = join(dir, 'mount')
  mkdirSync(mountPoint)
  try {
    leaveStaleMount(mountPoint)
    assert.throws(() => statSync(mountPoint), { code: 'ENOTCONN' })
    const doctor = await run('cachefs', ['doctor', '--dir', dir, '--port', '0'])
    assert.match(doctor.stdout, /missing {2}mount point: .*left over.*\n.*cachefs umount/)
    const args = ['umount', mountPoint, '--json']
    const { status, stdout, stderr } = await run('cachefs', args)
    assert.equal(status, 0, stderr)
    assert.deepEqual(JSON.parse(stdout), {
      mountPoint,
      stoppedProcess: null,
      cleanedStaleMount: true,
    })
    assert.ok(statSync(mountPoint).isDirectory())
  } finally {
    spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    rmSync(dir, { recursive: true })
  }
})

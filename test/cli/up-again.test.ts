/** `cachefs up` after a kill: it removes its own dead mount and starts. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasEnded } from '../fixtures/ended-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { withFuse } from '../mount/fuse-scratch.ts'
import { run } from './program.ts'

test('up recovers after kill -9 of its supervisor', withFuse, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cachefs-again-'))
  const mount = join(dir, 'mount')
  const up = (): ReturnType<typeof run> =>
    run('cachefs', ['up', '--detach', '--dir', dir, '--port', '0'])
  try {
    assert.equal((await up()).status, 0)
    writeFileSync(join(mount, 'file'), 'as it was')
    const key = readFileSync(join(dir, 'api-key'), 'utf8')
    const { pid } = JSON.parse(readFileSync(join(dir, 'node.json'), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGKILL')
    await eventually('the process has gone', () => hasEnded(pid))
    await eventually('its mount is dead', () => Promise.resolve(isDead(mount)))
    const again = await up()
    assert.equal(again.status, 0, again.stderr)
    assert.equal(readFileSync(join(mount, 'file'), 'utf8'), 'as it was')
    assert.equal(readFileSync(join(dir, 'api-key'), 'utf8'), key)
    const down = await run('cachefs', ['umount', '--dir', dir])
    assert.equal(down.status, 0, down.stderr)
  } finally {
    spawnSync('umount', ['-l', mount], { stdio: 'ignore' })
    rmSync(dir, { recursive: true })
  }
})

function isDead(path: string): boolean {
  try {
    statfsSync(path)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOTCONN'
  }
}

/** Programs in the background: started once, found again, and only they are ended. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { DetachedProgram } from '../../scripts/dev-cluster/detached-program.ts'

describe('a program in the background', () => {
  let dir: string
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cachefs-detached-'))
  })
  after(() => rm(dir, { recursive: true }))

  const shell = (script: string): [string, string[]] => ['/bin/sh', ['-c', script]]
  const SERVES = shell('echo starting; echo ready api=here; exec sleep 60')
  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  const pidOf = async (name: string): Promise<number> =>
    (JSON.parse(await readFile(join(dir, `${name}.pid`), 'utf8')) as { pid: number }).pid

  test('is ready when it says so, started once, and ended', async () => {
    const program = new DetachedProgram({ dir, name: 'serves' })
    assert.equal(await program.start(...SERVES), 'ready api=here')
    const pid = await pidOf('serves')
    const again = new DetachedProgram({ dir, name: 'serves' })
    assert.equal(await again.start(...SERVES), false)
    assert.equal(await pidOf('serves'), pid)
    assert.equal(await again.stop(), 'stopped')
    assert.equal(isAlive(pid), false)
    assert.equal(await again.stop(), 'was not started here')
    assert.match(await readFile(again.logFile, 'utf8'), /^starting\nready api=here\n$/)
  })

  test('one that fails says why, and an old line in the log does not count', async () => {
    const program = new DetachedProgram({ dir, name: 'fails' })
    await program.start(...SERVES)
    await program.stop()
    const failing = program.start(...shell('echo the port is in use >&2; exit 1'))
    await assert.rejects(
      failing,
      /fails did not start: the port is in use \(the log is .*fails\.log/,
    )
    assert.equal(await program.stop(), 'was not started here')
    const absent = new DetachedProgram({ dir, name: 'absent' })
    await assert.rejects(absent.start('/no/such/program', []), /absent did not start/)
  })

  test('one that says nothing is given up on, and can still be ended', async () => {
    const program = new DetachedProgram({ dir, name: 'silent' }, { readyMs: 200 })
    await assert.rejects(program.start(...shell('exec sleep 60')), /silent is not ready yet/)
    assert.equal(await program.stop(), 'stopped')
  })

  test('one that does not end is named, not killed', async () => {
    const program = new DetachedProgram({ dir, name: 'stays' }, { stopMs: 300 })
    await program.start(...shell("trap '' TERM; echo ready now; sleep 60"))
    const pid = await pidOf('stays')
    try {
      await assert.rejects(program.stop(), /stays \(process \d+\) was asked to stop and is still/)
      assert.ok(isAlive(pid))
    } finally {
      process.kill(-pid, 'SIGKILL')
    }
  })

  test('a process that has the number by now is left alone', async () => {
    const stranger = spawn('sleep', ['60'])
    const program = new DetachedProgram({ dir, name: 'reused' })
    await writeFile(join(dir, 'reused.pid'), JSON.stringify({ pid: stranger.pid, startedAt: '1' }))
    assert.equal(await program.stop(), 'was gone already')
    assert.ok(isAlive(stranger.pid!))
    stranger.kill('SIGKILL')
    await once(stranger, 'exit')
    for (const text of ['', '{}', '{"pid":-1,"startedAt":"1"}', '{"pid":0}', 'garbage']) {
      await writeFile(join(dir, 'reused.pid'), text)
      assert.equal(await program.stop(), 'was not started here', text)
    }
  })
})

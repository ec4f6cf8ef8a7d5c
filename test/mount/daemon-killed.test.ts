/**
 * The daemon of a mount is killed repeatedly, and replaced by an upgrade, while programs work: they
 * see a pause, but no error and no wrong byte. `CACHEFS_KILLS` sets the number of kills (12).
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { SteadyProgram, killDaemon } from '../fixtures/steady-programs.ts'

const KILLS = Number(process.env['CACHEFS_KILLS'] ?? 12)
const CACHEFS = fileURLToPath(new URL('../../src/cli/cachefs.ts', import.meta.url))
const run = promisify(execFile)
const WORKS = ['names', 'appends', 'contents', 'orphans']

test('programs do not notice that the daemon is killed', { timeout: 300_000 }, async (t) => {
  using home = new ClientHome()
  const client = await ClientProcess.start(home)
  const programs = WORKS.map((work) => new SteadyProgram(work, home.mount))
  for (let kill = 0; kill < KILLS; kill++) {
    await killDaemon(client)
    for (const program of programs) await program.check()
  }
  const before = client.daemon
  const { stdout } = await run(process.execPath, [
    CACHEFS,
    'upgrade',
    '--json',
    '--api',
    client.api,
  ])
  const { daemonPid } = JSON.parse(stdout) as { daemonPid: number }
  assert.notEqual(daemonPid, before)
  assert.equal(daemonPid, client.daemon)
  for (const program of programs) {
    const rounds = await program.finish()
    t.diagnostic(`${program.work}: ${rounds} rounds`)
    assert.ok(rounds > KILLS, `${program.work} went on`)
  }
  assert.deepEqual(readdirSync(join(home.mount, 'names')), [])
  assert.deepEqual(readdirSync(join(home.mount, 'orphans')), [])
  assert.equal(await client.stop(), 0)
  assert.ok(!existsSync(join(home.mount, 'names')), 'unmounted')
})

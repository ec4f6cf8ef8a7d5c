/**
 * scripts/contained: of a run that was killed in the middle of a test, no process, mount, loop
 * device, network interface or file is left.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, globSync, mkdtempSync, readFileSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { eventually } from '../fixtures/eventually.ts'
import { withFuse } from '../mount/fuse-scratch.ts'

const CONTAINED = new URL('../../scripts/contained', import.meta.url).pathname
const PROGRAM = new URL('leaves-everything.ts', import.meta.url).pathname

/** Contents of the files that match; those that disappear meanwhile are left out. */
function contents(pattern: string): string[] {
  return globSync(pattern).flatMap((path) => {
    try {
      return readFileSync(path, 'latin1')
    } catch {
      return []
    }
  })
}

/** Pids of processes with this text among their arguments or in their environment. */
function processesWith(text: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids
    .filter((pid) => {
      return contents(`/proc/${pid}/{cmdline,environ}`).some((known) => known.includes(text))
    })
    .map(Number)
}

function loopDevicesOn(folder: string): string[] {
  const devices = readdirSync('/sys/block').filter((name) => name.startsWith('loop'))
  const files = devices.flatMap((name) => contents(`/sys/block/${name}/loop/backing_file`))
  return files.filter((file) => file.includes(folder))
}

const VICTIMS = {
  'its command': (pids: { command: number }) => process.kill(pids.command, 'SIGKILL'),
  itself: (pids: { script: number }) => process.kill(pids.script, 'SIGKILL'),
  'itself, with SIGTERM': (pids: { script: number }) => process.kill(pids.script, 'SIGTERM'),
}

for (const [name, kill] of Object.entries(VICTIMS)) {
  test(`nothing is left after the end of ${name}`, withFuse, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cachefs-contained-'))
    const marker = randomUUID()
    const script = spawn(CONTAINED, [process.execPath, PROGRAM, marker], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: folder },
    })
    t.after(() => script.kill('SIGKILL'))
    const ended = once(script, 'exit')
    const lines = createInterface({ input: script.stdout })
    const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string]
    assert.equal(line, 'made')
    const command = processesWith(`${PROGRAM}\0${marker}`).at(-1)!
    const [bridge = ''] = contents(`${folder}/*/tmp/cachefs-links-*`)
    const link = `/sys/class/net/${bridge.trim()}`
    assert.ok(bridge !== '' && existsSync(link), link)
    assert.equal(loopDevicesOn(folder).length, 1)
    assert.ok(processesWith(folder).length > 5)

    kill({ command, script: script.pid! })
    await ended
    await eventually('the files are gone', () => readdirSync(folder).length === 0)
    await eventually('the processes are gone', () => {
      return [folder, marker].every((text) => processesWith(text).length === 0)
    })
    await eventually('the loop device is free', () => loopDevicesOn(folder).length === 0)
    assert.ok(!existsSync(link), link)
    rmdirSync(folder)
  })
}

/**
 * The daemon of a mount is killed again and again, and replaced by an upgrade, while programs work:
 * they see a pause, no error and no wrong byte. `CACHEFS_KILLS` says how often (20).
 */
import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'

const KILLS = Number(process.env['CACHEFS_KILLS'] ?? 20)
const PROGRAM = fileURLToPath(new URL('../fixtures/steady-program.ts', import.meta.url))
const CACHEFS = fileURLToPath(new URL('../../src/cli/cachefs.ts', import.meta.url))
const run = promisify(execFile)
const WORKS = ['names', 'appends', 'contents', 'nameless']

class Program {
  readonly work: string
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown[]>
  #output = ''

  constructor(work: string, folder: string) {
    this.work = work
    this.#child = spawn(process.execPath, [PROGRAM, work, folder], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#ended = once(this.#child, 'close')
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (text: Buffer) => (this.#output += text.toString()))
    }
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null
  }

  async finish(): Promise<number> {
    this.#child.stdin!.end()
    const [code] = await this.#ended
    assert.equal(code, 0, `${this.work}: ${this.#output}`)
    return Number(this.#output)
  }
}

test('programs do not notice that the daemon is killed', { timeout: 300_000 }, async (t) => {
  using home = new ClientHome()
  const client = await ClientProcess.start(home)
  const programs = WORKS.map((work) => {
    const folder = join(home.mount, work)
    mkdirSync(folder)
    return new Program(work, folder)
  })
  for (let kill = 0; kill < KILLS; kill++) {
    const before = daemonOf(client)
    process.kill(before, 'SIGKILL')
    while (daemonOf(client) === before) await delay(20)
    // Served again, and for a while: else it counts as one that cannot be kept running.
    await fetchUntilServed(client)
    await delay(1100)
    for (const program of programs) if (program.hasEnded) await program.finish()
  }
  const before = daemonOf(client)
  const { stdout } = await run(process.execPath, [
    CACHEFS,
    'upgrade',
    '--json',
    '--api',
    client.api,
  ])
  const { daemonPid } = JSON.parse(stdout) as { daemonPid: number }
  assert.notEqual(daemonPid, before)
  assert.equal(daemonPid, daemonOf(client))
  for (const program of programs) {
    const rounds = await program.finish()
    t.diagnostic(`${program.work}: ${rounds} rounds`)
    assert.ok(rounds > KILLS, `${program.work} went on`)
  }
  assert.deepEqual(readdirSync(join(home.mount, 'names')), [])
  assert.deepEqual(readdirSync(join(home.mount, 'nameless')), [])
  assert.equal(await client.stop(), 0)
  assert.ok(!existsSync(join(home.mount, 'names')), 'unmounted')
})

function daemonOf(client: ClientProcess): number {
  const { pid } = client.child
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return Number(children[0])
}

async function fetchUntilServed(client: ClientProcess): Promise<void> {
  for (;;) {
    try {
      if ((await fetch(`${client.api}/api/health`)).ok) return
    } catch {
      await delay(20)
    }
  }
}

/**
 * Programs that write while the node is stopped: acknowledged writes are in the file after the next
 * start, however the mount ended, also if the programs keep writing while the next node runs.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { withFuse } from './fuse-scratch.ts'

const WRITER = new URL('../fixtures/outliving-writer.py', import.meta.url).pathname
const CACHEFS = new URL('../../src/cli/cachefs.ts', import.meta.url).pathname
const options = { ...withFuse, timeout: 120_000 }

class Writer implements Disposable {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(path: string, way: 'write' | 'mmap' = 'write') {
    this.#child = spawn('python3', [WRITER, path, way], { stdio: ['pipe', 'pipe', 'inherit'] })
    // The process may have ended by itself.
    this.#child.stdin!.on('error', () => undefined)
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  async hasBegun(): Promise<void> {
    assert.equal((await this.#lines.next()).value, 'writing')
  }

  /** Ends the writer; returns the number of acknowledged lines. */
  async end(): Promise<number> {
    this.#child.stdin!.end('\n')
    return Number((await this.#lines.next()).value)
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL')
  }
}

function content(lines: number): string {
  return Array.from({ length: lines }, (_, at) => `line ${String(at).padStart(6, '0')}\n`).join('')
}

function umount(mount: string, ...flags: string[]): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [CACHEFS, 'umount', mount, ...flags], { encoding: 'utf8' })
}

const ENDS: Record<string, (client: ClientProcess, mount: string) => Promise<unknown>> = {
  SIGTERM: (client) => client.stop(),
  SIGINT: async (client) => {
    const ended = once(client.child, 'exit')
    client.child.kill('SIGINT')
    await ended
  },
  'kill -9': (client) => client.kill(),
  'umount --force': async (client, mount) => {
    const ended = once(client.child, 'exit')
    assert.equal(umount(mount, '--force').status, 0)
    await ended
  },
}

for (const [name, end] of Object.entries(ENDS)) {
  for (const passthrough of ['auto', 'off']) {
    test(`${name} loses no acknowledged write, passthrough ${passthrough}`, options, async () => {
      using home = new ClientHome()
      const flags = ['-passthrough', passthrough]
      const path = join(home.mount, 'log')
      let client = await ClientProcess.start(home, { flags })
      using writer = new Writer(path)
      await writer.hasBegun()
      await end(client, home.mount)
      const acknowledged = await writer.end()
      client = await ClientProcess.start(home, { flags })
      // An unacknowledged write may be in the file too.
      const read = fs.readFileSync(path, 'utf8')
      assert.equal(read.slice(0, acknowledged * 12), content(acknowledged))
      assert.ok(read.length <= (acknowledged + 1) * 12)
      await client.act('wait', '/')
      await client.act('evict', '/')
      assert.equal(fs.readFileSync(path, 'utf8'), read, 'from the cloud')
      await client.stop()
    })
  }
}

test('a program that goes on beside the next node writes the same file', options, async () => {
  using home = new ClientHome()
  const path = join(home.mount, 'log')
  let client = await ClientProcess.start(home)
  using writer = new Writer(path)
  await writer.hasBegun()
  await client.stop()
  client = await ClientProcess.start(home)
  const before = fs.statSync(path).size
  await eventually('it grows', () => fs.statSync(path).size > before)
  const acknowledged = await writer.end()
  assert.equal(fs.readFileSync(path, 'utf8'), content(acknowledged))
  await eventually('all of it is in the cloud', async () => {
    await client.act('wait', '/')
    await client.act('evict', '/')
    return fs.readFileSync(path, 'utf8') === content(acknowledged)
  })
  await client.stop()
  client = await ClientProcess.start(home)
  assert.equal(fs.readFileSync(path, 'utf8'), content(acknowledged))
  await client.stop()
})

test('mmap writes after the mount has ended count', options, async () => {
  using home = new ClientHome()
  const path = join(home.mount, 'mapped')
  const flags = ['-passthrough', 'always']
  let client = await ClientProcess.start(home, { flags })
  fs.writeFileSync(path, Buffer.alloc(1_200_000, 'x'))
  await client.act('wait', '/')
  // Enables passthrough, so that the mapping is of the backing file.
  const reader = fs.openSync(path, 'r')
  using writer = new Writer(path, 'mmap')
  await writer.hasBegun()
  fs.closeSync(reader)
  await client.stop()
  client = await ClientProcess.start(home, { flags })
  const acknowledged = await writer.end()
  assert.ok(acknowledged > 0)
  await eventually('it is in the file', () => {
    return fs.readFileSync(path, 'utf8').startsWith(content(acknowledged))
  })
  await client.stop()
})

test('umount refuses a mount in use, and names who uses it', options, async () => {
  using home = new ClientHome()
  const client = await ClientProcess.start(home)
  fs.mkdirSync(join(home.mount, 'folder'))
  fs.writeFileSync(join(home.mount, 'file'), 'content')
  const fd = fs.openSync(join(home.mount, 'file'), 'r')
  const inside = spawn('sleep', ['1000'], { cwd: join(home.mount, 'folder') })
  try {
    const refused = umount(home.mount)
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /EBUSY.* is in use/)
    assert.match(refused.stderr, new RegExp(`process ${process.pid}\\) has .*/file open`))
    assert.match(refused.stderr, new RegExp(`sleep \\(process ${inside.pid}\\) is in .*/folder`))
    assert.match(refused.stderr, /--force/)
    assert.equal(fs.readFileSync(fd, 'utf8'), 'content', 'nothing was changed')
  } finally {
    inside.kill()
    fs.closeSync(fd)
  }
  await once(inside, 'close')
  const ended = once(client.child, 'exit')
  assert.equal(umount(home.mount).status, 0)
  assert.equal((await ended)[0], 0)
})

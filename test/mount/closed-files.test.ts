/**
 * Small files whose commit is deferred when they are closed: programs cannot notice it. Bytes and
 * times survive a kill -9 at that moment, of the daemon and of the whole node. A directory with a
 * durability other than `local` gets it before close returns. Removed and replaced files leave no
 * data behind.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { Random } from '../fixtures/random.ts'
import { killDaemon } from '../fixtures/steady-programs.ts'

const FILES = 150
const CHUNK_FLAGS = ['-chunk-size', '1']
const CHUNK = 1024 * 1024

/** Digest and time of each file by name. */
type Written = Map<string, { digest: string; mtimeMs: number }>

function digestOf(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** Writes files of many sizes in several ways; every third gets an explicit time. */
function writeFiles(directory: string, random: Random): Written {
  const written: Written = new Map()
  fs.mkdirSync(directory)
  for (let at = 0; at < FILES; at++) {
    const path = join(directory, `file-${at}`)
    const data = random.bytes(at % 10 === 0 ? CHUNK + random.below(CHUNK) : random.below(9000))
    const fd = fs.openSync(path, at % 2 === 0 ? 'wx' : 'wx+')
    for (let done = 0; done < data.length;) {
      done += fs.writeSync(fd, data, done, Math.min(data.length - done, 700_000))
    }
    if (at % 3 === 0) fs.futimesSync(fd, at, 1_000_000 + at)
    fs.closeSync(fd)
    written.set(path, { digest: digestOf(data), mtimeMs: fs.statSync(path).mtimeMs })
  }
  return written
}

function check(written: Written): void {
  for (const [path, { digest, mtimeMs }] of written) {
    assert.equal(digestOf(fs.readFileSync(path)), digest, path)
    assert.equal(fs.statSync(path).mtimeMs, mtimeMs, path)
  }
}

test('bytes and times of closed files survive a kill of the daemon and of the node', async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  using home = new ClientHome()
  let client = await ClientProcess.start(home, { flags: CHUNK_FLAGS })
  const first = writeFiles(join(home.mount, 'first'), random)
  await killDaemon(client)
  check(first)
  const second = writeFiles(join(home.mount, 'second'), random)
  await client.kill()
  client = await ClientProcess.start(home, { flags: CHUNK_FLAGS })
  check(first)
  check(second)
  await client.act('wait', '/')
  await client.act('evict', '/')
  assert.equal(((await client.status())['cache'] as { usedBytes: number }).usedBytes, 0)
  check(first)
  check(second)
  assert.equal(await client.stop(), 0)
})

test('files that grow, shrink, have holes, and are opened again before their commit', async () => {
  using home = new ClientHome()
  const client = await ClientProcess.start(home, { flags: CHUNK_FLAGS })
  const path = join(home.mount, 'file')
  const model = Buffer.alloc(3 * CHUNK)
  fs.writeFileSync(path, 'begins small')
  model.write('begins small')
  const again = fs.openSync(path, 'r+')
  fs.writeSync(again, 'far', 2 * CHUNK)
  model.write('far', 2 * CHUNK)
  fs.ftruncateSync(again, 2 * CHUNK + 100)
  await killDaemon(client)
  fs.writeSync(again, 'near', 5)
  model.write('near', 5)
  fs.closeSync(again)
  assert.ok(fs.readFileSync(path).equals(model.subarray(0, 2 * CHUNK + 100)))
  fs.truncateSync(path, 7)
  fs.appendFileSync(path, '!')
  assert.equal(fs.readFileSync(path, 'utf8'), 'beginne!')
  const hole = fs.openSync(join(home.mount, 'hole'), 'w')
  fs.writeSync(hole, 'end', 500_000)
  fs.closeSync(hole)
  await client.act('wait', '/')
  await client.act('evict', '/')
  assert.equal(fs.readFileSync(path, 'utf8'), 'beginne!')
  const holed = fs.readFileSync(join(home.mount, 'hole'))
  assert.equal(
    digestOf(holed),
    digestOf(Buffer.concat([Buffer.alloc(500_000), Buffer.from('end')])),
  )
  assert.equal(await client.stop(), 0)
})

test('files that are removed or replaced right after they were closed leave nothing', async () => {
  using home = new ClientHome()
  const client = await ClientProcess.start(home)
  const at = (name: string): string => join(home.mount, name)
  for (let round = 0; round < 200; round++) {
    fs.writeFileSync(at('removed'), `content ${round}`)
    fs.unlinkSync(at('removed'))
    fs.writeFileSync(at('new'), `version ${round}`)
    fs.renameSync(at('new'), at('kept'))
    const fd = fs.openSync(at('unlinked'), 'w+')
    fs.writeSync(fd, 'still readable')
    fs.unlinkSync(at('unlinked'))
    assert.equal(fs.readFileSync(fd, 'utf8'), '')
    assert.equal(fs.readSync(fd, Buffer.alloc(20), 0, 20, 0), 14)
    fs.closeSync(fd)
  }
  assert.equal(fs.readFileSync(at('kept'), 'utf8'), 'version 199')
  await client.act('wait', '/')
  const used = async (): Promise<number> => {
    return ((await client.status())['cache'] as { usedBytes: number }).usedBytes
  }
  await eventually('all else has gone', async () => (await used()) === 'version 199'.length)
  const names = fs.readdirSync(join(home.nvme, 'data'), { recursive: true, encoding: 'utf8' })
  // Excludes preallocated files that are being made.
  assert.equal(names.filter((name) => /\/\d+$/.test(name)).length, 1)
  assert.equal(await client.stop(), 0)
})

test('a directory that asks for more than this disk gets it before close returns', async () => {
  using home = new ClientHome()
  const client = await ClientProcess.start(home)
  const receipt = async (path: string): Promise<{ durable: boolean; uncommitted: boolean }> => {
    const response = await client.fetch(`${client.api}/api/receipt/${path}`)
    return (await response.json()) as { durable: boolean; uncommitted: boolean }
  }
  const write = async (path: string): Promise<boolean> => {
    fs.writeFileSync(join(home.mount, path), 'content')
    const { durable, uncommitted } = await receipt(path)
    assert.equal(uncommitted, false, path)
    return durable
  }
  const policy = async (path: string, durability: string | null): Promise<void> => {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ durability })
    const url = `${client.api}/api/durability/${path}`
    const response = await client.fetch(url, { method: 'PUT', headers, body })
    assert.ok(response.ok, await response.text())
  }
  fs.mkdirSync(join(home.mount, 'safe/below'), { recursive: true })
  fs.mkdirSync(join(home.mount, 'moved'))
  assert.equal(await write('safe/below/before'), false)
  assert.equal(await write('moved/before'), false)
  await policy('safe', 'cloud')
  assert.equal(await write('safe/below/after'), true)
  assert.equal(await write('moved/after'), false)
  fs.renameSync(join(home.mount, 'moved'), join(home.mount, 'safe/moved'))
  assert.equal(await write('safe/moved/inherits'), true)
  await policy('safe', null)
  assert.equal(await write('safe/below/local'), false)
  assert.equal(await client.stop(), 0)
})

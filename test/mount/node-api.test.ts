/**
 * One node through both of its doors: what the API does is in the mount at once, and the reverse;
 * what the verbs promise holds when bytes are only in the cloud. A real node, a real mount.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Random } from '../fixtures/random.ts'

const MIB = 1024 * 1024
const random = new Random(7)
let home: ClientHome
let client: ClientProcess

before(async () => {
  home = new ClientHome()
  client = await ClientProcess.start(home, { flags: ['-upload-limit', '2G'] })
})

after(async () => {
  assert.equal(await client.stop(), 0)
  home[Symbol.dispose]()
})

const inMount = (name: string): string => join(home.mount, name)
const url = (name: string): string => `${client.api}/api/files/${name}`

async function put(name: string, body: Buffer | string): Promise<Response> {
  return await client.fetch(url(name), { method: 'PUT', body: new Uint8Array(Buffer.from(body)) })
}

async function get(name: string, headers: Record<string, string> = {}): Promise<Buffer> {
  const response = await client.fetch(url(name), { headers })
  assert.ok(response.ok, `${name}: ${response.status}`)
  return Buffer.from(await response.arrayBuffer())
}

test('a PUT is in the mount at once, also where the mount knew of no such name', async () => {
  assert.equal(existsSync(inMount('new')), false)
  assert.deepEqual(readdirSync(home.mount), [])
  assert.equal((await put('new', 'one')).status, 201)
  assert.equal(readFileSync(inMount('new'), 'utf8'), 'one')
  assert.equal((await put('new', 'another')).status, 200)
  assert.equal(statSync(inMount('new')).size, 7)
  assert.equal(readFileSync(inMount('new'), 'utf8'), 'another')
  assert.deepEqual(readdirSync(home.mount), ['new'])
})

test('what the mount writes, the API reads; DELETE takes it from both', async () => {
  mkdirSync(inMount('dir'))
  const content = random.bytes(5 * MIB)
  writeFileSync(inMount('dir/file'), content)
  assert.ok((await get('dir/file')).equals(content))
  assert.equal((await client.fetch(url('dir/file'), { method: 'DELETE' })).status, 204)
  assert.equal(existsSync(inMount('dir/file')), false)
  assert.equal((await client.fetch(url('dir'), { method: 'DELETE' })).status, 204)
  assert.equal(existsSync(inMount('dir')), false)
})

test('a reader that has the old version open keeps it', async () => {
  await put('version', 'old')
  linkSync(inMount('version'), inMount('kept'))
  await put('version', 'new content')
  assert.equal(readFileSync(inMount('kept'), 'utf8'), 'old')
  assert.equal(statSync(inMount('kept')).nlink, 1)
  assert.equal(readFileSync(inMount('version'), 'utf8'), 'new content')
})

test('links lead nowhere but into the volume', async () => {
  symlinkSync('/etc/passwd', inMount('absolute'))
  symlinkSync('../../../../etc/passwd', inMount('relative'))
  for (const name of ['absolute', 'relative']) {
    assert.equal((await client.fetch(url(name))).status, 404)
  }
  symlinkSync('new', inMount('good'))
  assert.equal((await get('good')).toString(), 'another')
})

test('wait, evict, read again: the cloud has it, in chunks, whole and in ranges', async () => {
  const content = random.bytes(9 * MIB + 123)
  writeFileSync(inMount('large'), content)
  await client.act('wait', '/large')
  await client.act('evict', '/large')
  const receipt = await client.fetch(`${client.api}/api/receipt/large`)
  const { durable, chunks, localChunks } = (await receipt.json()) as Record<string, unknown>
  assert.deepEqual({ durable, chunks, localChunks }, { durable: true, chunks: 3, localChunks: 0 })
  const range = await get('large', { range: `bytes=${5 * MIB}-${5 * MIB + 9}` })
  assert.ok(range.equals(content.subarray(5 * MIB, 5 * MIB + 10)))
  assert.ok(readFileSync(inMount('large')).equals(content))
  await client.act('evict', '/')
  await client.act('warm', '/large')
  assert.ok((await get('large')).equals(content))
})

test('the receipt is an extended attribute of any file', () => {
  writeFileSync(inMount('receipt'), 'x')
  const script = 'import os,sys; print(os.getxattr(sys.argv[1], "user.cachefs.receipt").decode())'
  const text = execFileSync('python3', ['-c', script, inMount('receipt')], { encoding: 'utf8' })
  const { durable } = JSON.parse(text) as { durable: unknown }
  assert.equal(typeof durable, 'boolean')
})

test('memory stays flat while a large file passes', async () => {
  writeFileSync(inMount('huge'), '')
  truncateSync(inMount('huge'), 1024 * MIB)
  const rssKib = (): number => {
    const status = readFileSync(`/proc/${client.child.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
  }
  const before = rssKib()
  const response = await client.fetch(url('huge'))
  let bytes = 0
  for await (const block of response.body as AsyncIterable<Uint8Array>) bytes += block.length
  assert.equal(bytes, 1024 * MIB)
  assert.ok(rssKib() - before < 200 * 1024, `${before} KiB before, ${rssKib()} KiB after`)
})

test('unknown paths, bad spellings', async () => {
  assert.equal((await client.fetch(url('absent'))).status, 404)
  for (const name of ['a%2fb', 'a%00b', '%ff', 'a//b']) {
    const response = await client.fetch(url(name))
    assert.equal(response.status, 400, name)
    assert.equal(typeof ((await response.json()) as { error: unknown }).error, 'object')
  }
})

/**
 * One node through its mount and its API: changes through one are visible in the other at once, and
 * actions keep their promises when bytes are only in the cloud. A real node and a real mount.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
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
import { sendAndLeave } from '../fixtures/raw-request.ts'
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
  const fd = openSync(inMount('version'), 'r')
  await put('version', 'new content')
  assert.equal(readFileSync(fd, 'utf8'), 'old')
  closeSync(fd)
  assert.equal(readFileSync(inMount('version'), 'utf8'), 'new content')
})

test('a PUT on a file keeps owner, mode and extended attributes', async () => {
  const path = inMount('private')
  for (const [mode, kept] of [
    [0o600, 0o600],
    [0o751, 0o751],
    [0o400, 0o400],
    // As after a write, which drops the set-id bits.
    [0o6755, 0o755],
  ] as const) {
    writeFileSync(path, 'of alice')
    chownSync(path, 1001, 1002)
    chmodSync(path, mode)
    const script = 'import os,sys; os.setxattr(sys.argv[1], "user.note", b"hers")'
    execFileSync('python3', ['-c', script, path])
    assert.equal((await put('private', `content for ${mode}`)).status, 200)
    const { uid, gid, mode: bits } = statSync(path)
    assert.deepEqual([uid, gid, bits & 0o7777], [1001, 1002, kept])
    const show = 'import os,sys; print(os.getxattr(sys.argv[1], "user.note").decode(), end="")'
    assert.equal(execFileSync('python3', ['-c', show, path], { encoding: 'utf8' }), 'hers')
    assert.equal(readFileSync(path, 'utf8'), `content for ${mode}`)
  }
  assert.equal((await client.fetch(url('private'), { method: 'DELETE' })).status, 204)
  assert.equal((await put('private', 'anew')).status, 201)
  const { uid, mode } = statSync(path)
  assert.deepEqual([uid, mode & 0o7777], [0, 0o644], 'a new file is nobody else’s')
})

test('a PUT on one of several names is the content of all', async () => {
  await put('name', 'old')
  mkdirSync(inMount('links'))
  linkSync(inMount('name'), inMount('links/other'))
  chmodSync(inMount('name'), 0o640)
  const content = random.bytes(3 * MIB)
  assert.equal((await put('links/other', content)).status, 200)
  for (const path of ['name', 'links/other']) {
    assert.ok(readFileSync(inMount(path)).equals(content), path)
    const { nlink, mode } = statSync(inMount(path))
    assert.deepEqual([nlink, mode & 0o7777], [2, 0o640])
  }
  assert.equal((await put('name', 'short')).status, 200)
  assert.equal(readFileSync(inMount('links/other'), 'utf8'), 'short')
})

test('a PUT through a link makes or replaces what it leads to', async () => {
  mkdirSync(inMount('targets'))
  symlinkSync('targets/one', inMount('to-one'))
  assert.equal((await put('to-one', 'made')).status, 201)
  assert.equal(readFileSync(inMount('targets/one'), 'utf8'), 'made')
  chmodSync(inMount('targets/one'), 0o600)
  assert.equal((await put('to-one', 'replaced')).status, 200)
  assert.ok(lstatSync(inMount('to-one')).isSymbolicLink())
  assert.equal(readFileSync(inMount('targets/one'), 'utf8'), 'replaced')
  assert.equal(statSync(inMount('targets/one')).mode & 0o7777, 0o600)
})

test('a PUT into a set-group-id folder makes a file of its group', async () => {
  mkdirSync(inMount('team'))
  chownSync(inMount('team'), 0, 1234)
  chmodSync(inMount('team'), 0o2775)
  await put('team/file', 'x')
  assert.equal(statSync(inMount('team/file')).gid, 1234)
})

test('a PUT that is not completed leaves nothing, not even folders', async () => {
  const { port } = new URL(client.api)
  const target = '/api/files/in/new/folders/file'
  const head = `PUT ${target} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${client.key}\r\n`
  await sendAndLeave(Number(port), `${head}Content-Length: 100\r\n\r\nhalf of it`)
  await sendAndLeave(Number(port), `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n`)
  assert.equal(existsSync(inMount('in')), false)
  const puts = ['one', 'two', 'three', 'four'].map((name) => put(`in/new/folders/${name}`, name))
  for (const { status } of await Promise.all(puts)) assert.equal(status, 201)
  assert.deepEqual(readdirSync(inMount('in/new/folders')).sort(), ['four', 'one', 'three', 'two'])
  symlinkSync('in', inMount('link'))
  assert.equal((await put('link/newer/file', 'x')).status, 201)
  assert.equal(readFileSync(inMount('in/newer/file'), 'utf8'), 'x')
  assert.equal((await put('in/newer/file/below', 'x')).status, 409)
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

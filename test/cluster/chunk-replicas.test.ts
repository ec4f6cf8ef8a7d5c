/**
 * Replicas that a node stores for its peers: through its API, across restarts, until they are
 * released.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { configureLogging, loggerOf } from '../../src/base/log/logger.ts'
import { sourcesOf } from '../../src/cache/read/chunk-sources.ts'
import { ChunkReplicas } from '../../src/cache/replicas/chunk-replicas.ts'
import { CLEAN } from '../../src/cache/state/chunk-table.ts'
import { limits } from '../../src/limits.ts'
import { SigningKey } from '../../src/base/signing-key.ts'
import { FileTier } from '../../src/tiers/cloud/file/file-tier.ts'
import { ClusterClock } from '../../src/tiers/peers/cluster-clock.ts'
import { NodeTokens } from '../../src/tiers/peers/node-token.ts'
import { keyOf } from '../fixtures/link-client.ts'
import { API_KEY } from '../fixtures/node-api-fixture.ts'
import { CHUNK_SIZE, SharedIndex, startPeerNode, type PeerNode } from '../fixtures/peer-node.ts'
import { Random } from '../fixtures/random.ts'
import { rawRequest, sendAndLeave } from '../fixtures/raw-request.ts'

const tokens = new NodeTokens('other', keyOf('other'), new ClusterClock())
const random = Random.fromEnvironment()
console.log(`CACHEFS_SEED=${random.seed}`)

let directory: string
let index: SharedIndex
let node: PeerNode

before(() => configureLogging({ level: 'silent' }))
after(() => configureLogging({ level: 'info' }))
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cachefs-held-'))
  index = new SharedIndex()
  const cloud = await FileTier.open({ directory })
  const capacityBytes = 8 * CHUNK_SIZE
  node = await startPeerNode({
    id: 'n',
    cloud,
    index,
    others: () => [],
    capacityBytes,
  })
})
afterEach(async () => {
  await node[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

const heldFiles = (): Promise<string[]> => readdir(join(node.directory, 'held'))
const used = (): number => node.cache.shared.counter('usedBytes')

interface Sent {
  path: string
  body?: Buffer
  headers?: Record<string, string>
}

async function send(method: string, { path, body, headers = {} }: Sent): Promise<Response> {
  const all = {
    'x-node-token': tokens.for('n'),
    ...(body && { 'x-chunk-crc32': String(crc32(body)) }),
    ...headers,
  }
  const url = `${node.peer.url}/api/chunks/${path}`
  return await fetch(url, { method, headers: all, ...(body && { body: new Uint8Array(body) }) })
}

async function codeIn(answer: Response): Promise<string> {
  return ((await answer.json()) as { error: { code: string } }).error.code
}

test('a copy comes, is given back as it came, and goes', async () => {
  const body = random.bytes(5000)
  assert.equal((await send('PUT', { path: '7/2/99', body })).status, 204)
  assert.deepEqual([await heldFiles(), used()], [['99'], 5000])
  const answer = await send('GET', { path: '7/2/99' })
  assert.equal(answer.headers.get('x-chunk-crc32'), String(crc32(body)))
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(body))
  for (const path of ['7/3/99', '8/2/99', '7/2/98']) {
    assert.equal((await send('GET', { path })).status, 404, path)
  }
  await node.held.release(99)
  assert.equal((await send('GET', { path: '7/2/99' })).status, 404)
  assert.deepEqual([await heldFiles(), used()], [[], 0])
})

test('sent again it changes nothing, with other bytes it is refused', async () => {
  const body = random.bytes(5000)
  const all = await Promise.all([1, 2, 3].map(() => send('PUT', { path: '7/2/99', body })))
  assert.deepEqual(
    all.map((it) => it.status),
    [204, 204, 204],
  )
  const other = await send('PUT', { path: '7/2/99', body: random.bytes(5000) })
  assert.deepEqual([other.status, await codeIn(other)], [409, 'EEXIST'])
  assert.deepEqual([used(), node.held.totals().chunks], [5000, 1])
})

test('what the metadata knows of a chunk is what a copy of it has to be', async () => {
  const [body, forged] = [random.bytes(5000), random.bytes(5000)]
  const early = index.set(7, 2, body, { durable: false, crc: null })
  const known = index.set(7, 3, body)
  const refused = async (path: string, bytes: Buffer): Promise<void> => {
    const answer = await send('PUT', { path, body: bytes })
    assert.deepEqual([answer.status, await codeIn(answer)], [400, 'EINVAL'], path)
  }
  await refused(`7/2/${early}`, body.subarray(1))
  await refused(`7/3/${known}`, forged)
  await refused('7/4/1000000', body)
  assert.deepEqual([await heldFiles(), used()], [[], 0])
  // The checksum is not known yet: the replica is not used here, and not kept once it is known.
  assert.equal((await send('PUT', { path: `7/2/${early}`, body: forged })).status, 204)
  const cluster = { peers: node.peers, held: node.held }
  const fromCloud = (): Promise<Buffer> => Promise.resolve(body)
  const reference = index.find(7, 2)!
  const [first] = sourcesOf({ ino: 7, reference, cluster, fromCloud })
  assert.ok((await first!.read(AbortSignal.timeout(1000)))?.equals(body))
  index.change(7, 2, { durable: true, crc: crc32(body) })
  assert.equal((await send('GET', { path: `7/2/${early}` })).status, 404)
  assert.deepEqual([await heldFiles(), used()], [[], 0])
  assert.equal(node.cache.chunks.find(7, 2), undefined)
})

describe('bad input is refused and changes nothing', () => {
  const body = random.bytes(100)
  const none = { 'x-node-token': '' }
  const key = { ...none, 'x-api-key': API_KEY }
  const elsewhere = { 'x-node-token': tokens.for('m') }
  const thief = new NodeTokens('other', SigningKey.generate(), new ClusterClock())
  const forged = { 'x-node-token': thief.for('n') }
  const cases: [string, string, Sent, number, string][] = [
    ['no token', 'PUT', { path: '1/0/1', body, headers: none }, 401, 'EACCES'],
    ['no token to read', 'GET', { path: '1/0/1', headers: none }, 401, 'EACCES'],
    ['the key of the API', 'GET', { path: '1/0/1', headers: key }, 401, 'EACCES'],
    [
      'that, by another spelling',
      'GET',
      { path: '../%63hunks/1/0/1', headers: key },
      401,
      'EACCES',
    ],
    ['a token for another node', 'GET', { path: '1/0/1', headers: elsewhere }, 401, 'EACCES'],
    ['a token of nobody', 'GET', { path: '1/0/1', headers: forged }, 401, 'EACCES'],
    [
      'another CRC',
      'PUT',
      { path: '1/0/1', body, headers: { 'x-chunk-crc32': '1' } },
      400,
      'EINVAL',
    ],
    ['no CRC', 'PUT', { path: '1/0/1', body, headers: { 'x-chunk-crc32': '' } }, 400, 'EINVAL'],
    ['no body', 'PUT', { path: '1/0/1', body: Buffer.alloc(0) }, 400, 'EINVAL'],
    ['too large', 'PUT', { path: '1/0/1', body: random.bytes(CHUNK_SIZE + 1) }, 413, 'EFBIG'],
    ['no id', 'PUT', { path: '1/0/0', body }, 400, 'EINVAL'],
    ['no inode', 'PUT', { path: '0/0/1', body }, 400, 'EINVAL'],
    ['negative', 'PUT', { path: '1/-1/1', body }, 400, 'EINVAL'],
    ['a fraction', 'GET', { path: '1/0/1.5' }, 400, 'EINVAL'],
    ['hexadecimal', 'GET', { path: '1/0/0x10' }, 400, 'EINVAL'],
    ['too many digits', 'GET', { path: '1/0/9999999999999999' }, 400, 'EINVAL'],
    ['a path', 'PUT', { path: '1/0/..%2f..%2fnode.db', body }, 400, 'EINVAL'],
    ['an encoded dot', 'PUT', { path: '1/0/%2e%2e', body, headers: key }, 404, 'ENOENT'],
    ['an unknown query', 'GET', { path: '1/0/1?home=yes' }, 400, 'EINVAL'],
  ]
  for (const [name, method, sent, status, code] of cases) {
    test(name, async () => {
      const answer = await send(method, sent)
      assert.deepEqual([answer.status, await codeIn(answer)], [status, code])
      assert.deepEqual([await heldFiles(), used()], [[], 0])
    })
  }

  test('a body without a length, and one that is cut off', async () => {
    const port = Number(new URL(node.peer.url).port)
    const lines = ['PUT /api/chunks/1/0/1 HTTP/1.1', 'Host: x', `X-Node-Token: ${tokens.for('n')}`]
    const head = [...lines, 'X-Chunk-CRC32: 1', 'Connection: close'].join('\r\n')
    const chunked = `${head}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`
    assert.match(await rawRequest(port, chunked), /^HTTP\/1\.1 411 /)
    await sendAndLeave(port, `${head}\r\nContent-Length: 100\r\n\r\nonly this`)
    assert.deepEqual([await heldFiles(), used()], [[], 0])
  })
})

test('copies take their share of the capacity and no more', async () => {
  const size = CHUNK_SIZE
  const put = (id: number): Promise<Response> =>
    send('PUT', { path: `1/${id}/${id}`, body: random.bytes(size) })
  const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(put))
  const statuses = answers.map((it) => it.status).sort()
  assert.deepEqual(statuses, [204, 204, 204, 204, 507, 507])
  assert.deepEqual([used(), (await heldFiles()).length], [4 * size, 4])
})

test('a damaged copy is not given away', async () => {
  const body = random.bytes(5000)
  await node.held.hold({ ino: 7, index: 2, id: 99 }, body, crc32(body))
  const path = join(node.directory, 'held/99')
  const stored = await readFile(path)
  stored[17]! ^= 1
  await writeFile(path, stored)
  assert.equal((await send('GET', { path: '7/2/99' })).status, 404)
  assert.deepEqual([await heldFiles(), used()], [[], 0])
  assert.equal((await send('PUT', { path: '7/2/99', body })).status, 204)
})

test('once durable it moves into the cache, or goes where it was superseded', async () => {
  const [current, old] = [random.bytes(5000), random.bytes(4000)]
  const id = index.set(7, 2, current, { durable: false, crc: null })
  await node.held.hold({ ino: 7, index: 2, id }, current, crc32(current))
  await node.held.hold({ ino: 7, index: 2, id: 1000 }, old, crc32(old))
  await node.held.settle()
  assert.equal((await heldFiles()).length, 2)
  index.change(7, 2, { durable: true, crc: crc32(current) })
  await node.held.settle()
  assert.deepEqual([await heldFiles(), used()], [['1000'], 9000])
  assert.equal(node.cache.chunks.find(7, 2)?.state, CLEAN)
  assert.ok(node.bytes(7, 2, 5000).equals(current))
  await node.held.settle(Date.now() + limits.replicaGraceMs)
  assert.deepEqual([await heldFiles(), used()], [[], 5000])
})

test('the next start keeps what is whole and sweeps the rest', async () => {
  const body = random.bytes(5000)
  for (const id of [1, 2]) await node.held.hold({ ino: 7, index: id, id }, body, crc32(body))
  await rm(join(node.directory, 'held/1'))
  await writeFile(join(node.directory, 'held/3'), 'no row')
  await writeFile(join(node.directory, 'held/2.part'), 'half')
  assert.equal(node.cache.replicaTable.totals().bytes, 10_000)
  const again = ChunkReplicas.open(node.cache, node.evictor, loggerOf('CACHE'))
  assert.deepEqual([await heldFiles(), used(), again.totals().chunks], [['2'], 5000, 1])
  assert.ok((await again.read({ ino: 7, index: 2, id: 2 }))?.equals(body))
})

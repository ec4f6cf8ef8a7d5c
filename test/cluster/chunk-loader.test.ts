/**
 * Chunks that a node sends to peers during its own writes and evictions: the bytes of the requested
 * content, or nothing.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { configureLogging } from '../../src/base/log/logger.ts'
import { ChunkReader } from '../../src/cache/read/chunk-reader.ts'
import { CLEAN, DIRTY, PENDING } from '../../src/cache/state/chunk-table.ts'
import { chunkKey } from '../../src/cache/upload/object-key.ts'
import { FileTier } from '../../src/tiers/cloud/file/file-tier.ts'
import { keyedFetch } from '../fixtures/keyed-fetch.ts'
import { API_KEY } from '../fixtures/node-api-fixture.ts'
import { CHUNK_SIZE, SharedIndex, startPeerNode, type PeerNode } from '../fixtures/peer-node.ts'
import { Random } from '../fixtures/random.ts'

const random = Random.fromEnvironment()
console.log(`CACHEFS_SEED=${random.seed}`)
const INO = 5

let directory: string
let cloud: FileTier
let index: SharedIndex
let node: PeerNode
let loader: ChunkReader

before(() => configureLogging({ level: 'silent' }))
after(() => configureLogging({ level: 'info' }))
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cachefs-loader-'))
  cloud = await FileTier.open({ directory })
  index = new SharedIndex()
  node = await startPeerNode({ id: 'n', cloud, index, others: () => [] })
  loader = new ChunkReader(node.cache)
})
afterEach(async () => {
  await node[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

async function putDurable(at: number): Promise<{ id: number; data: Buffer }> {
  const data = random.bytes(CHUNK_SIZE)
  const id = index.set(INO, at, data)
  await cloud.write(chunkKey(INO, at, id), data)
  return { id, data }
}

test('eviction and fetching anew never show through', async () => {
  const chunks = [await putDurable(0), await putDurable(1)]
  let given = 0
  const load = async (at: number): Promise<void> => {
    const { id, data } = chunks[at]!
    const found = await loader.load({ ino: INO, index: at, id })
    if (found === undefined) return
    given += 1
    assert.ok(found.equals(data), 'other bytes than the content that was asked for')
  }
  await node.fetcher.fetch(INO, 0, 1)
  for (let round = 0; round < 300; round++) {
    const loads = Array.from({ length: 4 }, () => load(random.below(2)))
    // At a random point between the steps of the loads.
    for (let steps = random.below(6); steps > 0; steps--) await new Promise(setImmediate)
    if (random.below(2) === 0) node.evictor.evictChunk(INO, random.below(2))
    if (random.below(2) === 0) await node.fetcher.fetch(INO, 0, 1)
    await Promise.all(loads)
  }
  assert.ok(given > 0)
})

test('a chunk that is being written is not given under its old id', async () => {
  const { id, data } = await putDurable(0)
  await node.fetcher.fetch(INO, 0, 0)
  const { database, chunks, files } = node.cache
  const loading = loader.load({ ino: INO, index: 0, id })
  database.transaction(() => {
    chunks.put(INO, { ...chunks.find(INO, 0)!, state: DIRTY, id: 0 })
  })
  files.write(INO, random.bytes(1000), 10)
  const found = await loading
  assert.ok(found === undefined || found.equals(data))
  assert.equal(await loader.load({ ino: INO, index: 0, id }), undefined)
})

test('another id, another place and an upload that was superseded are not here', async () => {
  const { id } = await putDurable(0)
  await node.fetcher.fetch(INO, 0, 0)
  for (const [at, which] of [
    [0, id + 1],
    [1, id],
  ] as const) {
    assert.equal(await loader.load({ ino: INO, index: at, id: which }), undefined)
  }
  const { database, uploads, chunks } = node.cache
  const pending = { ino: INO, index: 0, id: 77, length: 100, committedMs: 0, sourceOffset: 0 }
  database.transaction(() => {
    uploads.add(pending)
    const row = { index: 0, state: PENDING, id: 77, length: 100, accessed: 1 }
    chunks.put(INO, row)
  })
  assert.equal((await loader.load({ ino: INO, index: 0, id: 77 }))?.length, 100)
  const upload = uploads.find(INO, 0)!
  database.transaction(() => {
    uploads.delete(upload.seq)
    chunks.put(INO, { index: 0, state: CLEAN, id: 78, length: 100, accessed: 1 })
  })
  assert.equal(await loader.loadUpload(upload), undefined)
  assert.equal(await loader.load({ ino: INO, index: 0, id: 77 }), undefined)
})

test('the API describes the routes of chunks', async () => {
  const answer = await keyedFetch(API_KEY)(`${node.peer.url}/api/openapi.json`)
  const { paths } = (await answer.json()) as { paths: Record<string, object> }
  assert.deepEqual(Object.keys(paths['/api/chunks/{ino}/{index}/{id}'] ?? {}).sort(), [
    'get',
    'post',
    'put',
  ])
})

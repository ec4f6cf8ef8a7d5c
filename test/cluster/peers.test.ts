/**
 * Nodes that read chunks from each other over real HTTP. Each chunk is fetched from the cloud once
 * for all of them. If a peer dies, stalls, returns damaged bytes or refuses the token, readers get
 * the right bytes from another source.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { SigningKey } from '../../src/base/signing-key.ts'
import { crc32 } from 'node:zlib'
import { configureLogging, loggerOf } from '../../src/base/log/logger.ts'
import { CLEAN, PENDING } from '../../src/cache/state/chunk-table.ts'
import { chunkKey } from '../../src/cache/upload/object-key.ts'
import { Readahead } from '../../src/cache/read/readahead.ts'
import type { Peer } from '../../src/tiers/peers/peer-directory.ts'
import { FileTier } from '../../src/tiers/cloud/file/file-tier.ts'
import { CountingTier } from '../fixtures/counting-tier.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startFaultProxy } from '../fixtures/fault-proxy.ts'
import {
  CHUNK_SIZE,
  SharedIndex,
  startCluster,
  startPeerNode,
  type PeerNode,
} from '../fixtures/peer-node.ts'
import { Random } from '../fixtures/random.ts'

const random = Random.fromEnvironment()
console.log(`CACHEFS_SEED=${random.seed}`)

let directory: string
let cloud: CountingTier
let index: SharedIndex
before(() => configureLogging({ level: 'silent' }))
after(() => configureLogging({ level: 'info' }))
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cachefs-peers-'))
  cloud = new CountingTier(await FileTier.open({ directory }))
  index = new SharedIndex()
})
afterEach(() => rm(directory, { recursive: true, force: true }))

/** Creates a durable chunk. */
async function putDurable(ino: number, at: number, length = CHUNK_SIZE): Promise<Buffer> {
  const data = random.bytes(length)
  const id = index.set(ino, at, data)
  await cloud.write(chunkKey(ino, at, id), data)
  return data
}

/** Creates a pending chunk on this node. */
function putPending(node: PeerNode, ino: number, at: number): Buffer {
  const data = random.bytes(CHUNK_SIZE)
  const id = index.set(ino, at, data, { durable: false, crc: null, holders: node.peer.id })
  const { database, chunks, uploads, files } = node.cache
  files.write(ino, data, at * CHUNK_SIZE)
  const length = data.length
  const committedMs = Date.now()
  database.transaction(() => {
    chunks.put(ino, { index: at, state: PENDING, id, length, accessed: committedMs })
    uploads.add({ ino, index: at, id, length, committedMs, sourceOffset: at * CHUNK_SIZE })
  })
  return data
}

async function reads(node: PeerNode, ino: number, at: number): Promise<Buffer> {
  await node.fetcher.fetch(ino, at, at)
  const row = node.cache.chunks.find(ino, at)
  assert.equal(row?.state, CLEAN)
  return node.bytes(ino, at, row.length)
}

/** An inode whose first chunk has this peer as its owner, from the view of `reader`. */
function placeAt(reader: PeerNode, home: string | undefined, from = 1): number {
  for (let ino = from; ; ino++) {
    if (reader.peers.home({ ino, index: 0 })?.id === home) return ino
  }
}

describe('a cold dataset', () => {
  for (const count of [3, 5]) {
    test(`read by ${count} nodes at once leaves the cloud once`, async () => {
      await using cluster = await startCluster(count, { cloud, index })
      const files: Buffer[][] = []
      for (let ino = 1; ino <= 12; ino++) {
        const chunks: Buffer[] = []
        for (let at = 0; at < 4; at++) chunks.push(await putDurable(ino, at))
        chunks.push(await putDurable(ino, 4, 1 + random.below(CHUNK_SIZE)))
        files.push(chunks)
      }
      const everything = cluster.nodes.flatMap(({ fetcher }) =>
        files.map((_, at) => fetcher.fetch(at + 1, 0, 4)),
      )
      await Promise.all(everything)
      const bytes = files.flat().reduce((sum, data) => sum + data.length, 0)
      assert.deepEqual([cloud.reads, cloud.readBytes], [60, bytes])
      for (const node of cluster.nodes) {
        files.forEach((chunks, at) =>
          chunks.forEach((data, place) => {
            assert.ok(node.bytes(at + 1, place, data.length).equals(data))
          }),
        )
      }
      const stats = cluster.nodes.map(({ fetcher }) => fetcher.tierStats())
      const sum = (name: string): number => stats.reduce((all, it) => all + it[name]!, 0)
      assert.deepEqual([sum('cloudBytes'), sum('peerBytes')], [bytes, bytes * (count - 1)])
      assert.equal(sum('peerFailures'), 0)
    })
  }

  test('read in order by one node is made ready by the others, once', async () => {
    await using cluster = await startCluster(3, { cloud, index })
    const [reader, ...others] = cluster.nodes as [PeerNode, PeerNode, PeerNode]
    const chunks: Buffer[] = []
    for (let at = 0; at < 24; at++) chunks.push(await putDurable(1, at))
    const readahead = new Readahead(reader.fetcher, 2, loggerOf('CACHE'))
    // A sequential reader: the window grows to twice three chunks, of which the reader fetches two
    // itself.
    for (let at = 0; at < 4; at++) {
      readahead.seen(1, at)
      await reader.fetcher.fetch(1, at, at)
    }
    const has = (node: PeerNode, at: number): boolean => node.cache.chunks.find(1, at) !== undefined
    const isReady = (at: number): boolean => {
      const home = reader.peers.home({ ino: 1, index: at })?.id
      return has(others.find(({ peer }) => peer.id === home) ?? reader, at)
    }
    await eventually('what is ahead is at its homes', () => [4, 5, 6, 7, 8, 9].every(isReady))
    assert.deepEqual(
      [6, 7, 8, 9].filter((at) => has(reader, at)),
      [6, 7, 8, 9].filter((at) => reader.peers.home({ ino: 1, index: at }) === undefined),
    )
    assert.equal(cloud.reads, 10)
    await reader.fetcher.fetch(1, 0, 23)
    assert.equal(cloud.reads, 24)
    chunks.forEach((data, at) => assert.ok(reader.bytes(1, at, data.length).equals(data)))
  })

  test('has its chunks spread over all nodes', async () => {
    await using cluster = await startCluster(3, { cloud, index })
    const [reader] = cluster.nodes
    const homes = Array.from({ length: 300 }, (_, at) => reader!.peers.home({ ino: 1, index: at }))
    for (const node of cluster.nodes) {
      const wanted = node === reader ? undefined : node.peer.id
      assert.ok(homes.filter((home) => home?.id === wanted).length > 50)
    }
  })
})

describe('a chunk that is not in the cloud yet', () => {
  test('comes from the node that holds it', async () => {
    await using cluster = await startCluster(3, { cloud, index })
    const [writer, reader, other] = cluster.nodes
    const data = putPending(writer!, 7, 3)
    assert.ok((await reads(reader!, 7, 3)).equals(data))
    assert.ok((await reads(other!, 7, 3)).equals(data))
    assert.equal(cloud.reads, 0)
  })

  test('comes from its pre-image while it is being overwritten', async () => {
    await using cluster = await startCluster(2, { cloud, index })
    const [writer, reader] = cluster.nodes
    const data = putPending(writer!, 7, 0)
    const { database, uploads, files } = writer!.cache
    files.savePreImage(7, 0, data.length, 'aside-7')
    database.transaction(() => uploads.setSource(uploads.find(7, 0)!.seq, 'aside-7', 0))
    files.write(7, random.bytes(100), 50)
    assert.ok((await reads(reader!, 7, 0)).equals(data))
  })

  test('comes from a peer that holds a copy when its writer is gone', async () => {
    await using cluster = await startCluster(3, { cloud, index })
    const [writer, holder, reader] = cluster.nodes
    const data = putPending(writer!, 7, 0)
    const { id } = index.find(7, 0)!
    const options = { copies: 1, crc: crc32(data), except: [reader!.peer.id] }
    const taken = await writer!.peers.copy({ ino: 7, index: 0, id }, data, options)
    assert.deepEqual(taken, [holder!.peer.id])
    index.change(7, 0, { holders: `${writer!.peer.id},${holder!.peer.id}` })
    await writer!.kill()
    assert.ok((await reads(reader!, 7, 0)).equals(data))
    await reader!.kill()
    assert.ok((await reads(holder!, 7, 0)).equals(data), 'its own reader as well')
  })

  test('comes from the cloud where its holder is gone and the cloud has it by now', async () => {
    await using cluster = await startCluster(2, { cloud, index })
    const [writer, reader] = cluster.nodes
    const data = putPending(writer!, 7, 0)
    await cloud.write(chunkKey(7, 0, index.find(7, 0)!.id), data)
    await writer!.kill()
    assert.ok((await reads(reader!, 7, 0)).equals(data))
  })

  test('is an error that names its holders where neither answers', async () => {
    await using cluster = await startCluster(2, { cloud, index })
    const [writer, reader] = cluster.nodes
    putPending(writer!, 7, 0)
    await writer!.kill()
    await assert.rejects(reader!.fetcher.fetch(7, 0, 0), /EIO: .*node-0.*start that node again/)
  })
})

describe('a peer that fails', () => {
  test('by being killed: the cloud has it, and the next reader does not ask it', async () => {
    await using cluster = await startCluster(2, { cloud, index })
    const [reader, dead] = cluster.nodes
    const ino = placeAt(reader!, dead!.peer.id)
    const data = await putDurable(ino, 0)
    await dead!.kill()
    assert.ok((await reads(reader!, ino, 0)).equals(data))
    assert.equal(reader!.peers.isEjected(dead!.peer), true)
    assert.equal(reader!.peers.home({ ino, index: 0 }), undefined)
  })

  test('by its own cloud being away: the reader asks the cloud itself', async () => {
    const away = new CountingTier(cloud)
    away.isAway = true
    const nodes: PeerNode[] = []
    const others = (self: string) => () =>
      nodes.map((it) => it.peer).filter((peer) => peer.id !== self)
    await using reader = await startPeerNode({ id: 'a', cloud, index, others: others('a') })
    await using cutOff = await startPeerNode({ id: 'b', cloud: away, index, others: others('b') })
    nodes.push(reader, cutOff)
    const ino = placeAt(reader, 'b')
    const data = await putDurable(ino, 0)
    assert.ok((await reads(reader, ino, 0)).equals(data))
  })

  test('by refusing the token: the cloud has it', async () => {
    const nodes: PeerNode[] = []
    const base = { cloud, index }
    const others = (self: string) => () =>
      nodes.map((it) => it.peer).filter((peer) => peer.id !== self)
    const wrong = { key: SigningKey.generate(), id: 'a', others: others('a') }
    await using reader = await startPeerNode({ ...base, ...wrong })
    await using holder = await startPeerNode({ ...base, id: 'b', others: others('b') })
    nodes.push(reader, holder)
    const ino = placeAt(reader, 'b')
    const data = await putDurable(ino, 0)
    assert.ok((await reads(reader, ino, 0)).equals(data))
    assert.deepEqual([reader.fetcher.tierStats()['peerFailures'], cloud.reads], [1, 1])
    assert.equal(holder.exchange.servedChunks, 0)
    assert.ok((await reads(holder, ino, 0)).equals(data))
  })
})

describe('bytes that change on the way', () => {
  for (const fault of ['damage-answer', 'cut-answer', 'reset', 'busy'] as const) {
    test(`${fault}: the copy is not used`, async () => {
      await using cluster = await startCluster(1, { cloud, index })
      const [honest] = cluster.nodes
      await using proxy = await startFaultProxy(honest!.peer.url)
      proxy.fault = fault
      const peer = { id: honest!.peer.id, url: proxy.endpoint }
      await using reader = await startPeerNode({ id: 'r', cloud, index, others: () => [peer] })
      const ino = placeAt(reader, peer.id)
      const data = await putDurable(ino, 0)
      assert.ok((await reads(reader, ino, 0)).equals(data))
      assert.ok(proxy.requests > 0)
      const { damagedPeerCopies } = reader.fetcher.tierStats()
      assert.equal(damagedPeerCopies, fault === 'damage-answer' ? 1 : 0)
    })
  }

  test('and not what is damaged on a holder itself: it is dropped there', async () => {
    await using cluster = await startCluster(2, { cloud, index })
    const [holder, reader] = cluster.nodes
    const data = await putDurable(9, 0)
    index.change(9, 0, { holders: holder!.peer.id })
    assert.ok((await reads(holder!, 9, 0)).equals(data))
    holder!.cache.files.write(9, Buffer.from([data[5]! ^ 1]), 5)
    assert.ok((await reads(reader!, 9, 0)).equals(data))
    assert.ok((await reads(holder!, 9, 0)).equals(data))
  })

  test('a chunk that was cut here is given as a whole or not at all', async () => {
    await using cluster = await startCluster(2, { cloud, index })
    const [cutter, reader] = cluster.nodes
    const data = await putDurable(9, 0)
    await reads(cutter!, 9, 0)
    index.change(9, 0, { length: 100, holders: cutter!.peer.id })
    const row = cutter!.cache.chunks.find(9, 0)!
    cutter!.cache.database.transaction(() => {
      cutter!.cache.chunks.put(9, { ...row, length: 100 })
    })
    assert.ok((await reads(reader!, 9, 0)).equals(data.subarray(0, 100)))
  })
})

test('a stalled peer is not waited for: another source answers', async () => {
  await using cluster = await startCluster(1, { cloud, index })
  const [stalled] = cluster.nodes
  await using proxy = await startFaultProxy(stalled!.peer.url)
  proxy.fault = 'hang'
  const peer = { id: stalled!.peer.id, url: proxy.endpoint }
  const others = (): Peer[] => [peer]
  await using reader = await startPeerNode({ id: 'r', cloud, index, others, patienceMs: 20 })
  const ino = placeAt(reader, peer.id)
  const data = await putDurable(ino, 0)
  assert.ok((await reads(reader, ino, 0)).equals(data))
  const { slowPeerReads, peerFailures } = reader.fetcher.tierStats()
  assert.deepEqual([proxy.requests, slowPeerReads, peerFailures, cloud.reads], [1, 1, 0, 1])
})

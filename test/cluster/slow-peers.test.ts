/** Peers that ask for chunks and take nothing, or send nothing: other peers are served. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { chunkKey } from '../../src/cache/upload/object-key.ts'
import { limits } from '../../src/limits.ts'
import { FileTier } from '../../src/tiers/cloud/file/file-tier.ts'
import { CRC_HEADER, chunkPath } from '../../src/tiers/peers/chunk-headers.ts'
import { ClusterClock } from '../../src/tiers/peers/cluster-clock.ts'
import { NodeTokens, TOKEN_HEADER } from '../../src/tiers/peers/node-token.ts'
import { PeerClient } from '../../src/tiers/peers/peer-client.ts'
import { keyOf } from '../fixtures/link-client.ts'
import { SharedIndex, startPeerNode, type PeerNode } from '../fixtures/peer-node.ts'

const INO = 7
const STALLED = 'stalled'
/** More than the kernel takes for a client that reads nothing, on both sides of a connection. */
const CHUNK = Buffer.alloc(16 * 1024 ** 2, 'the bytes of the chunk')
/** More than have room. */
const CROWD = 2 * (limits.peerServeBytes / CHUNK.length)

describe('slow peers', () => {
  let directory: string
  let node: PeerNode
  let id: number
  const index = new SharedIndex()
  const tokens = new NodeTokens(STALLED, keyOf(STALLED), new ClusterClock())
  const client = new PeerClient(tokens)
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cachefs-slow-'))
    const cloud = await FileTier.open({ directory })
    id = index.set(INO, 0, CHUNK)
    await cloud.write(chunkKey(INO, 0, id), CHUNK)
    const chunkSize = CHUNK.length
    node = await startPeerNode({ id: 'n', cloud, index, others: () => [], chunkSize })
    await node.fetcher.fetch(INO, 0, 0)
  })
  after(async () => {
    client.close()
    await node[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  })

  /** Sends the start of a request on each of many connections, and then nothing. */
  async function crowd(
    start: string,
    headers: Record<string, string | number> = {},
  ): Promise<Socket[]> {
    const token = tokens.for(node.peer.id)
    const all = { host: 'x', [TOKEN_HEADER]: token, ...headers }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
    const sockets: Socket[] = []
    for (let at = 0; at < CROWD; at++) {
      const socket = connect(Number(new URL(node.peer.url).port), '127.0.0.1')
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(`${start} HTTP/1.1\r\n${lines.join('')}\r\n`)
      sockets.push(socket)
    }
    return sockets
  }

  test('a peer that asks is served while others take nothing', async () => {
    const sockets = await crowd(`GET ${chunkPath({ ino: INO, index: 0, id })}`)
    await once(sockets[0]!, 'readable')
    const data = await client.get(node.peer, { ino: INO, index: 0, id }, { length: CHUNK.length })
    assert.ok(data.equals(CHUNK))
    for (const socket of sockets) socket.destroy()
  })

  test('a peer that sends is served while others send nothing', async () => {
    const held = index.set(INO, 1, CHUNK, { durable: false })
    const path = chunkPath({ ino: INO, index: 1, id: held })
    const headers = { 'content-length': CHUNK.length, [CRC_HEADER]: 1, expect: '100-continue' }
    const sockets = await crowd(`PUT ${path}`, headers)
    await once(sockets[0]!, 'data')
    const crc = crc32(CHUNK)
    await client.put(node.peer, { ino: INO, index: 1, id: held }, CHUNK, { crc })
    assert.ok(node.held.has(held))
    for (const socket of sockets) socket.destroy()
  })
})

/**
 * A crowd that asks and then takes nothing, or sends nothing: what it costs the daemon is bounded
 * and given back when it has gone, and nobody else has to wait for it. A real node's memory.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { limits } from '../../src/limits.ts'
import { eventually } from '../fixtures/eventually.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'

const MIB = 1024 ** 2
const CLIENTS = 200
/** More than the kernel takes for a client that reads nothing, on both sides of a connection. */
const CONTENT = Buffer.alloc(16 * MIB, 'the content of the file')
/** Of a crowd at work: a block of 64 KiB for each, its connection, and what the engine lets lie. */
const WORKING_MAX = 70 * MIB
const LEFT_MAX = 50 * MIB

describe('slow clients', { skip: process.env['CACHEFS_NO_FUSE'] === '1' }, () => {
  const home = new ClientHome()
  let node: ClientProcess
  before(async () => {
    node = await ClientProcess.start(home)
    await node.fetch(`${node.api}/api/files/file`, { method: 'PUT', body: CONTENT })
    await node.act('wait', '/file')
    await readWhole()
  })
  after(async () => {
    await node.stop()
    home[Symbol.dispose]()
  })

  /** Of its own: what is mapped from files is not counted. */
  function memory(): number {
    const status = readFileSync(`/proc/${node.daemon}/status`, 'utf8')
    return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]) * 1024
  }

  async function readWhole(): Promise<void> {
    const answer = await node.fetch(`${node.api}/api/files/file`)
    assert.ok(CONTENT.equals(Buffer.from(await answer.arrayBuffer())))
  }

  /** Clients that send this and then read how the answer begins, or nothing where there is none. */
  async function crowd(requests: string[], body?: Buffer): Promise<Socket[]> {
    const sockets = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, at) => {
        const socket = connect(Number(new URL(node.api).port), '127.0.0.1')
        socket.on('error', () => undefined)
        await once(socket, 'connect')
        socket.write(`${requests[at % requests.length]}Host: x\r\nX-API-Key: ${node.key}\r\n\r\n`)
        if (body) socket.write(body)
        return socket
      }),
    )
    if (body) return sockets
    for (const socket of sockets) {
      await once(socket, 'readable')
      assert.match(String(socket.read(13)), /^HTTP\/1\.1 20[06] /)
    }
    return sockets
  }

  async function withCrowd(requests: string[], body?: Buffer): Promise<void> {
    const atFirst = memory()
    const sockets = await crowd(requests, body)
    // Whoever reads is served, by a node that has given the others all that they take.
    await readWhole()
    await readWhole()
    assert.equal((await fetch(`${node.api}/api/health`)).status, 200)
    const working = memory() - atFirst
    assert.ok(working < WORKING_MAX, `${CLIENTS} clients cost ${Math.round(working / MIB)} MiB`)
    for (const socket of sockets) socket.destroy()
    const left = (): number => memory() - atFirst
    await eventually(`of ${left() / MIB} MiB most is given back`, () => left() < LEFT_MAX)
  }

  test('who reads slowly costs a block, whatever was asked for', async () => {
    const get = 'GET /api/files/file HTTP/1.1\r\n'
    const ranges = 'Range: bytes=0-8000000,9000000-\r\n'
    await withCrowd([get, `${get}Range: bytes=1-\r\n`, get + ranges])
  })

  test('who sends slowly costs no more', async () => {
    const head = `PUT /api/files/new HTTP/1.1\r\nContent-Length: ${CONTENT.length}\r\n`
    await withCrowd([head], CONTENT.subarray(0, 100_000))
  })

  test('requests that wait for no answer are answered in turn, eight at most', async () => {
    const request = `GET /api/files/file HTTP/1.1\r\nHost: x\r\nX-API-Key: ${node.key}\r\n\r\n`
    const atFirst = memory()
    const open = async (requests: number): Promise<Socket> => {
      const socket = connect(Number(new URL(node.api).port), '127.0.0.1')
      await once(
        socket.on('error', () => undefined),
        'connect',
      )
      socket.write(request.repeat(requests))
      return socket
    }
    const sockets = await Promise.all(
      Array.from({ length: CLIENTS / 4 }, () => open(limits.apiPipelined)),
    )
    await readWhole()
    const working = memory() - atFirst
    assert.ok(working < WORKING_MAX, `they cost ${Math.round(working / MIB)} MiB`)
    for (const socket of sockets) socket.destroy()
    const tooMany = await open(1000)
    await new Promise((resolve) => tooMany.resume().once('close', resolve))
    await readWhole()
  })
})

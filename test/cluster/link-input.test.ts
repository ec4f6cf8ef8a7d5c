/**
 * Invalid input on the link, which no node would send: it is refused with a reason, changes nothing
 * and leaves no state behind. The sender has the key: it may be another version, faulty, or
 * malicious.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { encode } from '@msgpack/msgpack'
import { WebSocket } from 'ws'
import { LINK_PATH, LINK_VERSION } from '../../src/coordinator/link/link-protocol.ts'
import { CoordinatorProcess } from '../fixtures/coordinator-process.ts'
import { keyedFetch } from '../fixtures/keyed-fetch.ts'
import { LinkClient } from '../fixtures/link-client.ts'

const KEY = 'the key of the link'
const TIME = { sec: 1, nsec: 0 }
/** Its number is reserved before the tests. */
const FILE = { ino: 0, seq: 9, mode: 0o100644, uid: 0, gid: 0, rdev: 0, target: null }
const CONTENT = { size: 1, floor: 0, blocks: 1, mtime: TIME, ctime: TIME, chunks: [] }
const MIB = 1024 * 1024
const data = mkdtempSync(join(tmpdir(), 'cachefs-link-'))
const coordinator = new CoordinatorProcess(['-data', data, '-api-key', KEY])
const name = Buffer.from('name')
let client: LinkClient
let request = 0

before(async () => {
  await coordinator.start()
  client = await LinkClient.connect(coordinator.address, KEY, 'node-1')
  await client.until(() => client.peers.size === 1)
  await codeOf('reserveNumbers', ['entry', 1000])
  const reserved = await client.operate(++request, 'reserveNumbers', ['inode', 1000])
  FILE.ino = (reserved as { value: number }).value
})
after(async () => {
  client[Symbol.dispose]()
  await coordinator.kill()
  rmSync(data, { recursive: true })
})

const api = (path: string, init?: RequestInit): Promise<Response> =>
  keyedFetch(KEY)(`http://${coordinator.address}/api/${path}`, init)

async function changes(): Promise<unknown> {
  return ((await (await api('stats')).json()) as { changes: unknown }).changes
}

async function codeOf(operation: string, args: unknown[]): Promise<string | undefined> {
  const answer = await client.operate(++request, operation, args)
  return (answer as { error?: { code: string } }).error?.code
}

test('operations with wrong arguments, or of nobody, are refused and change nothing', async () => {
  const seq = await changes()
  const wrong: [string, ...unknown[]][] = [
    ['purgeInode', 1],
    ['purgeOrphan', 1],
    ['purgeOrphans', [1]],
    ['createRoot', TIME],
    ['setSetting', 'identity', 'x'],
    ['claimSetting', 'schema', 'x'],
    ['__proto__'],
    ['toString'],
    ['create', 1, name, { ...FILE, ino: 1 }, TIME],
    ['create', 1, name, { ...FILE, mode: 0o644 }, TIME],
    ['create', 1, 'name', FILE, TIME],
    ['create', 1, name, { ...FILE, ino: 7.5 }, TIME],
    ['create', 1, name, FILE],
    ['create', 1, name, FILE, { sec: 1, nsec: 2_000_000_000 }],
    ['createOrphan', 1, null, TIME],
    ['changeInode', 1, { mode: 'all' }, TIME],
    ['changeInode', 1, { nlink: 7 }, TIME],
    ['commitContent', 1, CONTENT, 4 * MIB],
    ['commitContent', 1, { ...CONTENT, size: -1 }, 4 * MIB],
    ['commitContent', 1, { ...CONTENT, size: NaN }, 4 * MIB],
    ['commitContent', 1, CONTENT, 0],
    ['commitContents', {}, 4 * MIB],
    ['markDurable', 1, 0, 1, -1],
    ['markAllDurable', [null]],
    ['setHolders', 1, 0, 1, "x'; DROP TABLE inode"],
    ['emptyTrash', 'all'],
    ['reserveNumbers', 'inode', 2 ** 50],
    ['reserveNumbers', 'nothing', 1],
    ['rename', null, null, null, TIME],
    ['unlink', 1, name],
    ['setXattr', 1, name, Buffer.alloc(140 * 1024), 0, TIME],
  ]
  for (const [operation, ...args] of wrong) {
    assert.equal(await codeOf(operation, args), 'EINVAL', JSON.stringify([operation, args]))
  }
  assert.equal(await changes(), seq)
  // The root still exists and accepts a file.
  assert.equal(await codeOf('create', [1, name, FILE, TIME]), undefined)
  assert.equal(await codeOf('commitContent', [FILE.ino, CONTENT, 4 * MIB]), undefined)
})

test('messages that are none end their connection, and leave nothing behind', async () => {
  const peer = { id: 'node-2', url: 'http://10.0.0.2:1', capacityBytes: 1, version: '1' }
  const lists = { leases: [], writing: [], held: [], locks: [] }
  const session = { session: 's', store: '', seq: 0 }
  const hello = { kind: 'hello', protocol: LINK_VERSION, peer, ...session, ...lists }
  const messages: Uint8Array[] = [
    Buffer.from('not a message'),
    Buffer.alloc(0),
    Buffer.alloc(MIB, 0x91),
    Buffer.from('dd7fffffff', 'hex'),
    Buffer.from('df7fffffffc0', 'hex'),
    Buffer.from('dc', 'hex'),
    encode(null),
    encode([1, 2]),
    encode({ kind: 'nothing' }),
    encode({ kind: 'renew', at: 1 }).subarray(0, 8),
    encode({ kind: 'operation', id: 'x', name: 7, args: null }),
    encode({ ...hello, protocol: LINK_VERSION + 1 }),
    encode({ ...hello, peer: null }),
    encode({ ...hello, peer: { ...peer, id: '../../etc' } }),
    encode({ ...hello, session: '' }),
    encode({ ...hello, seq: -1 }),
    encode({ ...hello, leases: ['x'] }),
    encode({ ...hello, held: [1.5] }),
    encode({ ...hello, locks: [{ ino: 1 }] }),
    encode({ kind: 'renew', at: 1, more: Buffer.alloc(MIB) }),
    encode({ kind: 'written', inos: new Array(200_000).fill(2 ** 40) }),
    encode({ kind: 'operation', name: 'unlink', args: [1, Buffer.alloc(MIB), 1, TIME], id: 1 }),
    encode({ more: Buffer.alloc(MIB), kind: 'renew', at: 1 }),
  ]
  for (const [at, message] of messages.entries()) {
    const headers = { 'x-api-key': KEY }
    const socket = new WebSocket(`ws://${coordinator.address}${LINK_PATH}`, { headers })
    socket.on('error', () => undefined)
    await once(socket, 'open')
    const closed = once(socket, 'close')
    socket.send(message)
    await closed
    const peers = (await (await api('peers')).json()) as { id: string }[]
    assert.deepEqual(
      peers.map(({ id }) => id),
      ['node-1'],
      `message ${at}`,
    )
  }
  assert.equal(await codeOf('dropSetId', [FILE.ino, true, TIME]), undefined, 'others go on')
})

test('a node uses no numbers that another reserved, nor any that nobody did', async () => {
  using other = await LinkClient.connect(coordinator.address, KEY, 'node-3')
  const reserve = async (counter: string): Promise<number> => {
    const answer = await client.operate(++request, 'reserveNumbers', [counter, 10])
    return (answer as { value: number }).value
  }
  const [ino, seq, id] = [await reserve('inode'), await reserve('entry'), await reserve('chunk')]
  const answers = async (operation: string, ...args: unknown[]): Promise<unknown> => {
    const answer = await other.operate(++request, operation, args)
    return (answer as { error?: { code: string } }).error?.code
  }
  const place = { parent: 1, name }
  const part = { index: 0, id, length: 1 }
  const commit = { ...CONTENT, chunks: [part] }
  const theirs: [string, ...unknown[]][] = [
    ['create', 1, Buffer.from('b'), { ...FILE, ino, seq }, TIME],
    ['create', 1, Buffer.from('b'), { ...FILE, ino: 2 ** 40, seq }, TIME],
    ['createOrphan', 1, { ...FILE, ino }, TIME],
    ['link', FILE.ino, 1, Buffer.from('b'), seq, TIME],
    ['rename', place, place, { noReplace: false, expectedTarget: FILE.ino, seq }, TIME],
    ['commitContent', FILE.ino, commit, 4 * MIB],
    ['commitContents', [{ ino: FILE.ino, commit }], 4 * MIB],
  ]
  const before = await changes()
  for (const [operation, ...args] of theirs) {
    assert.equal(await answers(operation, ...args), 'EACCES', operation)
  }
  assert.equal(await changes(), before)
  // Reservations are kept across a restart.
  await coordinator.kill()
  await coordinator.start()
  client[Symbol.dispose]()
  client = await LinkClient.connect(coordinator.address, KEY, 'node-1')
  using again = await LinkClient.connect(coordinator.address, KEY, 'node-3')
  const [operation, ...args] = theirs[0]!
  const answer = await again.operate(++request, operation, args)
  assert.equal((answer as { error?: { code: string } }).error?.code, 'EACCES')
  assert.equal(await codeOf(operation, args), undefined, 'its own')
})

test('the URL of a connected node changes over its own link alone', async () => {
  const there = async (): Promise<string[]> => {
    return ((await (await api('peers')).json()) as { url: string }[]).map(({ url }) => url)
  }
  const before = await there()
  const body = { id: 'node-1', url: 'http://10.6.6.6:1', capacityBytes: 1, version: '1' }
  const headers = { 'content-type': 'application/json' }
  const send = (path: string, method: string, content: object): Promise<Response> =>
    api(path, { method, headers, body: JSON.stringify(content) })
  assert.equal((await send('peers/register', 'POST', body)).status, 403)
  assert.equal((await send('peers/status', 'PUT', { id: 'node-1', usedBytes: 1 })).status, 403)
  assert.deepEqual(await there(), before)
  assert.equal((await send('peers/register', 'POST', { ...body, id: 'other' })).status, 200)
  client.send({ kind: 'reachable', url: 'http://10.0.0.9:1' })
  const isMoved = async (): Promise<boolean> => (await there()).includes('http://10.0.0.9:1')
  while (!(await isMoved()));
})

/**
 * Identities of nodes: a node joins once, then proves its own key until it is revoked. Neither the
 * API key nor the join token lets a client act as an existing node, connected or not, and recorded
 * messages of a node are useless. Real coordinator, real nodes.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { SigningKey } from '../../src/base/signing-key.ts'
import { LINK_PATH } from '../../src/coordinator/link/link-protocol.ts'
import { fromCoordinator } from '../../src/coordinator/link/message-schema.ts'
import { ClusterClock } from '../../src/tiers/peers/cluster-clock.ts'
import { NodeTokens, TO_COORDINATOR } from '../../src/tiers/peers/node-token.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { CoordinatorProcess } from '../fixtures/coordinator-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { keyedFetch } from '../fixtures/keyed-fetch.ts'
import { LinkClient, keyOf } from '../fixtures/link-client.ts'

const KEY = 'the key of people'
const TOKEN = 'what lets nodes join'
const JOIN = { 'x-join-token': TOKEN }

describe('a coordinator', () => {
  const data = mkdtempSync(join(tmpdir(), 'cachefs-identities-'))
  const keys = ['-api-key', KEY, '-join-token', TOKEN]
  const coordinator = new CoordinatorProcess(['-data', data, '-host', '127.0.0.1', ...keys])
  const connect = (
    credential: string | Record<string, string>,
    id: string,
    key?: SigningKey,
  ): Promise<LinkClient> => LinkClient.connect(coordinator.address, credential, id, key)
  const api = (method: string, path: string, body?: object): Promise<Response> =>
    keyedFetch(KEY)(`http://${coordinator.address}/api/peers${path}`, {
      method,
      ...(body && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
  const tokenOf = (id: string, key = keyOf(id)): Record<string, string> => {
    return { 'x-node-token': new NodeTokens(id, key, new ClusterClock()).for(TO_COORDINATOR) }
  }

  before(() => coordinator.start())
  after(async () => {
    await coordinator.kill()
    rmSync(data, { recursive: true })
  })

  test('lets a node join by the join token, and then by its key alone', async () => {
    await assert.rejects(connect(KEY, 'a'), /EACCES: .*needs the join token/)
    await assert.rejects(connect({}, 'a'), /401/)
    await assert.rejects(connect({ 'x-join-token': 'another' }, 'a'), /401/)
    await assert.rejects(connect(tokenOf('a'), 'a'), /401/)
    assert.deepEqual(await (await api('GET', '/members')).json(), [])
    using first = await connect(JOIN, 'a')
    first[Symbol.dispose]()
    using again = await connect(tokenOf('a'), 'a')
    assert.equal(again.refusal, undefined)
  })

  test('gives no id away, alive or not, nor after a restart', async () => {
    const thief = SigningKey.generate()
    const steal = async (): Promise<void> => {
      for (const credential of [JOIN, KEY, { ...JOIN, 'x-api-key': KEY }]) {
        await assert.rejects(connect(credential, 'b', thief), /joined .*with another key/)
      }
      await assert.rejects(connect(tokenOf('b', thief), 'b', thief), /401/)
      const url = { id: 'b', url: 'http://10.6.6.6:1', capacityBytes: 1, version: '1' }
      assert.equal((await api('POST', '/register', url)).status, 403)
      assert.equal((await api('PUT', '/status', { id: 'b', usedBytes: 1 })).status, 403)
    }
    {
      using alive = await connect(JOIN, 'b')
      await steal()
      assert.equal(alive.socket.readyState, WebSocket.OPEN)
    }
    await steal()
    await coordinator.kill()
    await coordinator.start()
    await steal()
    using back = await connect(tokenOf('b'), 'b')
    assert.equal(back.id, 'b')
  })

  test('takes no hello that was recorded, or that another key signed', async () => {
    using honest = await connect(JOIN, 'c')
    const recorded = honest.sentHello!
    honest[Symbol.dispose]()
    const socket = new WebSocket(`ws://${coordinator.address}${LINK_PATH}`, { headers: JOIN })
    const answers: string[] = []
    socket.on('message', (bytes) => {
      const message = fromCoordinator(bytes as Buffer)
      answers.push(message.kind === 'refused' ? message.error.message : message.kind)
      if (message.kind === 'challenge') socket.send(recorded)
    })
    await once(socket, 'close')
    assert.equal(answers[0], 'challenge')
    assert.match(answers[1] ?? '', /EACCES: c has not proved that it has its key/)
    assert.equal(answers.length, 2)
  })

  test('ends a node that is revoked, which stays out until it is removed and joins', async () => {
    using node = await connect(JOIN, 'd')
    assert.equal((await api('DELETE', '/d')).status, 409, 'it is connected')
    const closed = once(node.socket, 'close')
    assert.equal((await api('POST', '/d/revoke')).status, 204)
    await closed
    await assert.rejects(connect(tokenOf('d'), 'd'), /401/)
    await assert.rejects(connect(JOIN, 'd'), /d was revoked at .* peers remove d/)
    await coordinator.kill()
    await coordinator.start()
    await assert.rejects(connect(JOIN, 'd'), /d was revoked/)
    const members = (await (await api('GET', '/members')).json()) as { revoked: unknown }[]
    assert.equal(members.filter(({ revoked }) => revoked !== null).length, 1)
    assert.equal((await api('DELETE', '/d')).status, 204)
    await assert.rejects(connect(tokenOf('d'), 'd'), /401/)
    using anew = await connect(JOIN, 'd', SigningKey.generate())
    assert.equal(anew.id, 'd')
    assert.equal((await api('POST', '/nobody/revoke')).status, 404)
  })
})

test('nodes of one key; one is revoked, one lost its key, one joins by a token', async () => {
  await using cluster = await Cluster.start({ nodes: 2 })
  const [one, two] = cluster.nodes
  const file = (at: number, name: string): string => join(cluster.mount(at), name)
  assert.equal(statSync(join(cluster.homes[1]!.nvme, 'node-key')).mode & 0o777, 0o600)
  writeFileSync(file(1, 'by two'), 'its content')
  assert.equal(readFileSync(file(0, 'by two'), 'utf8'), 'its content')
  const chunk = `${one!.api}/api/chunks/999/0/1`
  assert.equal((await one!.fetch(chunk)).status, 401, 'a key of people is no node')
  const own = SigningKey.parse(readFileSync(join(cluster.homes[1]!.nvme, 'node-key'), 'utf8'))
  const tokens = new NodeTokens('n1', own, new ClusterClock())
  const asNode = async (to: string): Promise<number> => {
    return (await fetch(chunk, { headers: { 'x-node-token': tokens.for(to) } })).status
  }
  assert.deepEqual([await asNode('n0'), await asNode('n2')], [404, 401], 'for one node alone')

  const peers = (...args: string[]): { stdout: string; status: number | null } => {
    const entry = join(import.meta.dirname, '../../src/cli/cachefs.ts')
    const flags = ['--coordinator', cluster.coordinatorUrl, '--json']
    return spawnSync(process.execPath, [entry, 'peers', ...args, ...flags], { encoding: 'utf8' })
  }
  const listed = JSON.parse(peers().stdout) as { id: string; state: string }[]
  assert.deepEqual(
    listed.map(({ id, state }) => `${id} ${state}`),
    ['n0 ok', 'n1 ok'],
  )
  assert.equal(peers('remove', 'n1').status, 1, 'it is connected')
  assert.equal(peers('revoke', 'n1').status, 0)
  assert.equal(await asNode('n0'), 401)
  await eventually('the node knows', async () => {
    const { problems } = (await (await two!.fetch(`${two!.api}/api/health`)).json()) as {
      problems: string[]
    }
    return JSON.stringify(problems).includes('n1 was revoked')
  })
  assert.throws(() => readFileSync(file(1, 'by two')), { code: 'EIO' })
  assert.throws(() => writeFileSync(file(1, 'more'), 'x'), { code: 'EIO' })
  writeFileSync(file(0, 'by two'), 'others go on')
  await two!.kill()
  await assert.rejects(cluster.restart(1), /n1 was revoked/)

  assert.equal(peers('remove', 'n1').status, 0)
  rmSync(join(cluster.homes[1]!.nvme, 'node-key'))
  await cluster.restart(1)
  assert.equal(readFileSync(file(1, 'by two'), 'utf8'), 'others go on')
  await cluster.nodes[1]!.stop()
  // The disk, and with it the key, was lost.
  rmSync(join(cluster.homes[1]!.nvme, 'node-key'))
  await assert.rejects(cluster.restart(1), /n1 has joined .*with another key .*peers remove n1/)

  using home = new ClientHome()
  const token = ['-join-token-file', join(cluster.dataOf(0), 'join-token'), '-peer-id', 'n2']
  const place = ['-cloud-provider', 'file', '-cloud-dir', cluster.cloud]
  const where = ['-coordinator', cluster.coordinators[0]!.address]
  const third = await ClientProcess.start(home, { flags: [...where, ...token, ...place] })
  assert.equal(readFileSync(join(home.mount, 'by two'), 'utf8'), 'others go on')
  assert.notEqual(third.key, one!.key, 'it has a key of its own')
  await third.stop()
})

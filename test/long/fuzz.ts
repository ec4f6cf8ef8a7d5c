/**
 * Random input to the APIs of a node and of a coordinator, and to the link between them: mutated
 * requests and messages, with and without the key. Both processes survive any input, keep
 * responding, keep their data, and release memory and descriptors.
 *
 * CACHEFS_SEED repeats a run, CACHEFS_SECONDS is its duration (120).
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decode, encode } from '@msgpack/msgpack'
import { WebSocket } from 'ws'
import { ClusterClock } from '../../src/tiers/peers/cluster-clock.ts'
import { NodeTokens, TO_COORDINATOR } from '../../src/tiers/peers/node-token.ts'
import { eventually } from '../fixtures/eventually.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { keyOf } from '../fixtures/link-client.ts'
import { usageOf } from '../fixtures/process-usage.ts'
import { Random } from '../fixtures/random.ts'
import { exchange, mutatedRequest } from '../fixtures/fuzzed-requests.ts'
import { hello, mutatedMessage } from '../fixtures/fuzzed-messages.ts'

const SECONDS = Number(process.env['CACHEFS_SECONDS'] ?? 120)
const MIB = 1024 * 1024
/** Permitted growth of memory from the first quarter of the run to its end, bytes. */
const GROWTH_BYTES = 64 * MIB
const GROWTH_DESCRIPTORS = 16
const AT_ONCE = 8

/**
 * Creates a file whose inode number occurs in no message that is sent: the content of other files
 * may change.
 */
function keptFile(mount: string, random: Random): string {
  for (let count = 0; ; count++) {
    const path = join(mount, `kept ${count}`)
    writeFileSync(path, Buffer.from(random.bytes(300_000)))
    if (statSync(path).ino > 100) return path
  }
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** One connection to the coordinator that sends what no node would send. */
async function storm(url: string, key: string, random: Random): Promise<void> {
  const socket = new WebSocket(url, { headers: random.below(20) === 0 ? {} : { 'x-api-key': key } })
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  let nonce: Uint8Array = new Uint8Array()
  socket.once('message', (data: Buffer) => {
    nonce = (decode(data) as { nonce: Uint8Array }).nonce
    socket.send(encode(hello(random, nonce)))
    socket.once('message', rage)
  })
  const rage = (data: Buffer): void => {
    const { store, seq } = decode(data) as { store?: string; seq?: number }
    // Usually as a node that is up to date, whose messages are accepted.
    if (random.below(8) > 0) socket.send(encode({ ...hello(random, nonce), store, seq }))
    for (let message = 0; message < 1 + random.below(20); message++) {
      const bytes = mutatedMessage(random)
      socket.send(random.below(200) === 0 ? bytes.subarray(random.below(bytes.length)) : bytes)
    }
    // Gives requested operations time to complete before it leaves.
    setTimeout(() => socket.send(encode({ kind: 'bye' }), () => socket.close()), 300)
  }
  const late = setTimeout(() => socket.terminate(), 5000)
  await closed
  clearTimeout(late)
}

test('whatever is sent', { timeout: SECONDS * 1000 + 240_000 }, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  await using cluster = await Cluster.start({ nodes: 1, flags: ['-chunk-size', '64K'] })
  const [node] = cluster.nodes
  const [coordinator] = cluster.coordinators
  const mount = cluster.mount(0)
  const kept = keptFile(mount, random)
  const before = digest(kept)
  const outside = readdirSync(cluster.homes[0]!.directory).sort()
  const pids = [node!.daemon, coordinator!.pid]
  const ports = [node!.api, cluster.coordinatorUrl].map((url) => Number(new URL(url).port))
  const link = `${cluster.coordinatorUrl.replace('http', 'ws')}/api/link`

  // The node knows the key of fuzz-1 once that has joined.
  const tokens = new NodeTokens('fuzz-1', keyOf('fuzz-1'), new ClusterClock())
  const one = async (): Promise<void> => {
    if (random.below(4) === 0) await storm(link, node!.key, random)
    else {
      const to = random.below(2)
      const request = mutatedRequest(random, node!.key, tokens.for(['n0', TO_COORDINATOR][to]!))
      const status = await exchange(ports[to]!, request)
      const isWrong = status === 500
      assert.ok(!isWrong, `status 500 for ${JSON.stringify(request.toString('latin1'))}`)
    }
  }
  const run = async (ms: number): Promise<number> => {
    const until = Date.now() + ms
    let count = 0
    const worker = async (): Promise<void> => {
      for (; Date.now() < until; count++) await one()
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return count
  }
  const isWell = async (): Promise<boolean> => {
    const urls = [`${node!.api}/api/health`, `${cluster.coordinatorUrl}/api/health`]
    const answers = await Promise.all(urls.map((url) => node!.fetch(url).catch(() => undefined)))
    return answers.every((answer) => answer?.status === 200)
  }

  let sent = await run((SECONDS * 1000) / 4)
  const first = pids.map(usageOf)
  sent += await run((SECONDS * 3000) / 4)
  t.diagnostic(`${sent} requests and connections`)
  assert.deepEqual([node!.daemon, coordinator!.pid], pids, 'the same processes')
  await eventually('both answer, and are well', isWell)
  assert.equal(digest(kept), before)
  writeFileSync(kept, 'written again')
  assert.equal(readFileSync(kept, 'utf8'), 'written again')
  assert.deepEqual(readdirSync(cluster.homes[0]!.directory).sort(), outside)
  await eventually('memory and descriptors are given back', () => {
    return pids.every((pid, at) => {
      const now = usageOf(pid)
      const isLean = now.bytes <= first[at]!.bytes + GROWTH_BYTES
      return isLean && now.descriptors <= first[at]!.descriptors + GROWTH_DESCRIPTORS
    })
  })
})

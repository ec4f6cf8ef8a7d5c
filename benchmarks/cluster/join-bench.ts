/**
 * Nodes that join a coordinator together, and leave it together: the time until every node has all
 * others in its list, and the longest time for which the coordinator's event loop was blocked. All
 * nodes are links of this one process, which shares the machine with the coordinator: a part of
 * the time is theirs. `make bench-join` (`ARGS=50,200` for other numbers of nodes).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { CoordinatorProcess } from '../../test/fixtures/coordinator-process.ts'
import { LinkClient } from '../../test/fixtures/link-client.ts'

const KEY = 'the key of the benchmark'
const COUNTS = (process.argv[2] ?? '50,200,500').split(',').map(Number)

interface Measured {
  joinMs: number
  joinStallMs: number
  leaveMs: number
  leaveStallMs: number
}

/** Since it was asked for the last time, ms. */
async function longestStallMs(address: string): Promise<number> {
  const headers = { 'x-api-key': KEY }
  const text = await (await fetch(`http://${address}/metrics`, { headers })).text()
  const seconds = /^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1]
  if (seconds === undefined) throw new Error('the coordinator does not report its event loop lag')
  return Number(seconds) * 1000
}

async function measure(address: string, count: number): Promise<Measured> {
  await longestStallMs(address)
  let beganMs = performance.now()
  const connect = (_: unknown, at: number): Promise<LinkClient> =>
    LinkClient.connect(address, KEY, `node-${at}`)
  const nodes = await Promise.all(Array.from({ length: count }, connect))
  const [first, ...others] = nodes as [LinkClient, ...LinkClient[]]
  await Promise.all(nodes.map((node) => node.until(() => node.peers.size === count)))
  const joinMs = performance.now() - beganMs
  const joinStallMs = await longestStallMs(address)
  beganMs = performance.now()
  for (const node of others) node[Symbol.dispose]()
  await first.until(() => first.peers.size === 1)
  const leaveMs = performance.now() - beganMs
  const leaveStallMs = await longestStallMs(address)
  first[Symbol.dispose]()
  return { joinMs, joinStallMs, leaveMs, leaveStallMs }
}

console.log('| nodes | join | longest stall | leave | longest stall |')
console.log('| ----: | ---: | ------------: | ----: | ------------: |')
for (const count of COUNTS) {
  const data = mkdtempSync(join(tmpdir(), 'cachefs-join-'))
  const coordinator = new CoordinatorProcess(['-data', data, '-api-key', KEY])
  await coordinator.start()
  try {
    const it = await measure(coordinator.address, count)
    const [join, leave] = [it.joinMs, it.leaveMs].map((ms) => `${(ms / 1000).toFixed(1)} s`)
    const [stall, stallToo] = [it.joinStallMs, it.leaveStallMs].map((ms) => `${ms.toFixed(0)} ms`)
    console.log(`| ${count} | ${join} | ${stall} | ${leave} | ${stallToo} |`)
  } finally {
    await coordinator.kill()
    rmSync(data, { recursive: true })
  }
}
console.log(`load ${loadavg()[0]?.toFixed(1)}`)

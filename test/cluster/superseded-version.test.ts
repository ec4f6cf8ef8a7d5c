/**
 * The acknowledged version of a file while the next one is in the journal of a node but not
 * committed on the coordinator: other nodes read it from that node, and it remains the content if
 * the next one is refused. The cloud has neither version.
 */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../../src/base/fs-error.ts'
import { limits } from '../../src/limits.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'
import { HeldFile } from '../fixtures/held-file.ts'

const CHUNK = 65_536
const FLAGS = ['-chunk-size', '64K', '-nvme-capacity', '50M']
const LIMIT = { timeout: 120_000 }
const FIRST = Buffer.alloc(3 * CHUNK, 'first ')
const SECOND = Buffer.alloc(CHUNK, 'second ')

/** The cloud stores no chunks and has none. */
function takeCloudAway({ cloud }: Cluster): { giveBack: () => void } {
  const chunks = join(cloud, 'chunks')
  rmSync(chunks, { recursive: true, force: true })
  writeFileSync(chunks, 'not a folder')
  return { giveBack: () => rmSync(chunks) }
}

/**
 * Brings the file to this state: the first version is acknowledged, the next one is in the journal.
 */
async function supersede(cluster: Cluster): Promise<{
  reader: HeldFile
  writer: HeldFile
  syncing: Promise<unknown>
}> {
  const writer = await HeldFile.open(join(cluster.mount(0), 'file'), 'w+')
  await writer.write(FIRST, 0)
  await writer.sync()
  const reader = await HeldFile.open(join(cluster.mount(1), 'file'), 'r')
  await cluster.killCoordinator()
  await writer.write(SECOND, 0)
  const syncing = writer.sync().then(
    () => undefined,
    (error: unknown) => codeOf(error),
  )
  await delay(1000)
  return { reader, writer, syncing }
}

/** Compares the contents on both nodes without the cloud, then from the cloud alone. */
async function compareBoth(cluster: Cluster, cloud: { giveBack: () => void }): Promise<void> {
  const wanted = readFileSync(join(cluster.mount(1), 'file'))
  assert.ok(readFileSync(join(cluster.mount(0), 'file')).equals(wanted))
  cloud.giveBack()
  for (const node of cluster.nodes) await node.act('wait', '/')
  for (const node of cluster.nodes) await node.act('evict', '/')
  for (const at of [0, 1]) assert.ok(readFileSync(join(cluster.mount(at), 'file')).equals(wanted))
  assert.deepEqual(readdirSync(join(cluster.homes[0]!.nvme, 'aside')), [])
}

test('others read it while the coordinator is away, also after a crash', LIMIT, async () => {
  await using cluster = await Cluster.start({ nodes: 2, flags: FLAGS })
  const cloud = takeCloudAway(cluster)
  const { reader, writer, syncing } = await supersede(cluster)
  await using _reader = reader
  await using _writer = writer
  assert.ok((await reader.read()).equals(FIRST), 'the version that was acknowledged')
  process.kill(cluster.nodes[0]!.daemon, 'SIGKILL')
  await cluster.startCoordinator()
  assert.equal(await syncing, undefined)
  await writer.close()
  await eventually('the next version is everywhere', () => {
    return readFileSync(join(cluster.mount(1), 'file'))
      .subarray(0, CHUNK)
      .equals(SECOND)
  })
  await compareBoth(cluster, cloud)
})

test('it stays where the next one is refused', LIMIT, async () => {
  await using cluster = await Cluster.start({ nodes: 2, flags: FLAGS })
  const cloud = takeCloudAway(cluster)
  const { reader, writer, syncing } = await supersede(cluster)
  await using _reader = reader
  await using _writer = writer
  const { daemon } = cluster.nodes[0]!
  process.kill(daemon, 'SIGSTOP')
  try {
    await cluster.startCoordinator()
    await delay(limits.linkTtlMs)
    await using other = await HeldFile.open(join(cluster.mount(1), 'file'), 'r+')
    await other.write(SECOND, 2 * CHUNK)
    await other.close()
  } finally {
    process.kill(daemon, 'SIGCONT')
  }
  assert.equal(await syncing, 'ESTALE')
  const expected = Buffer.concat([FIRST.subarray(0, 2 * CHUNK), SECOND])
  assert.ok((await reader.read()).equals(expected), 'nothing of the refused version')
  await compareBoth(cluster, cloud)
})

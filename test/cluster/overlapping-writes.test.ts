/** Two nodes that write one file at the same time, and the page cache of each. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'
import { HeldFile } from '../fixtures/held-file.ts'

const BYTES = 150_000
/** The last write: whole pages, and partial pages at both ends. */
const [OFFSET, LENGTH] = [5_000, 60_000] as const

function filled(version: string): Buffer {
  return Buffer.alloc(BYTES, version)
}

function assertSame(seen: Buffer, wanted: Buffer, what: string): void {
  const at = seen.findIndex((byte, index) => byte !== wanted[index])
  assert.ok(seen.equals(wanted), `${what}: another byte at ${at} of ${seen.length}`)
}

test('what was read while a write waited for another node is not kept', async () => {
  await using cluster = await Cluster.start({ nodes: 3, flags: ['-chunk-size', '64K'] })
  const [path, there] = [join(cluster.mount(0), 'file'), join(cluster.mount(1), 'file')]
  writeFileSync(path, filled('first '))
  await using first = await HeldFile.open(path, 'r+')
  await using last = await HeldFile.open(there, 'r+')
  await using reader = await HeldFile.open(there, 'r')
  await reader.read()
  await first.write(filled('second '), 0)
  const wanted = filled('second ')
  filled('third ').copy(wanted, OFFSET, 0, LENGTH)
  // The commit of the first writer waits for this node, and so does the next writer.
  const { daemon } = cluster.nodes[2]!
  process.kill(daemon, 'SIGSTOP')
  try {
    const waiting = last.write(filled('third ').subarray(0, LENGTH), OFFSET)
    await eventually('the second version there', async () => {
      return (await reader.read()).equals(filled('second '))
    })
    await waiting
    assertSame(await reader.read(), wanted, 'at once')
    await last.close()
  } finally {
    process.kill(daemon, 'SIGCONT')
  }
  for (const at of [0, 1, 2]) {
    assertSame(readFileSync(join(cluster.mount(at), 'file')), wanted, `on node ${at}`)
  }
})

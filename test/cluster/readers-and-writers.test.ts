/**
 * A file is read while it is written, on one node of a cluster and on two: no reader sees bytes
 * that nobody wrote below the size that it sees. CACHEFS_ROUNDS sets the number of rounds.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster } from '../fixtures/cluster.ts'
import { pairsWithout, wrongPairs } from '../fixtures/reader-writer.ts'
import { withFuse } from '../mount/fuse-scratch.ts'

const options = { ...withFuse, timeout: 600_000 }

test('readers see only what was written on their node and on another', options, async () => {
  await using cluster = await Cluster.start({ nodes: 2 })
  const [here, there] = [cluster.mount(0), cluster.mount(1)]
  const same = { write: join(here, 'same'), read: join(here, 'same'), rounds: 25 }
  assert.deepEqual(await wrongPairs(pairsWithout('api'), same), [], 'on one node')
  const other = { write: join(here, 'other'), read: join(there, 'other'), rounds: 25 }
  assert.deepEqual(await wrongPairs(pairsWithout('api'), other), [], 'on two nodes')
})

test('what one node has done to a file another sees at once', options, async () => {
  await using cluster = await Cluster.start({ nodes: 2 })
  const [here, there] = [0, 1].map((at) => join(cluster.mount(at), 'file'))
  fs.writeFileSync(here!, 'x'.repeat(100))
  const fd = fs.openSync(there!, 'r')
  const read = Buffer.alloc(20_000)
  for (let round = 1; round <= 60; round++) {
    const size = (round * 7919) % 15_000
    if (round % 3 === 0) fs.truncateSync(here!, size)
    else fs.writeFileSync(here!, Buffer.alloc(size, round))
    const { mtimeMs } = fs.statSync(here!)
    const seen = {
      by: 'path',
      size: fs.statSync(there!).size,
      mtimeMs: fs.statSync(there!).mtimeMs,
    }
    assert.deepEqual(seen, { by: 'path', size, mtimeMs })
    assert.deepEqual({ by: 'fd', size: fs.fstatSync(fd).size }, { by: 'fd', size })
    const length = fs.readSync(fd, read, 0, read.length, 0)
    const content = fs.readFileSync(here!)
    assert.ok(
      read.subarray(0, length).equals(content),
      `round ${round}: ${length} of ${size} bytes`,
    )
  }
  fs.closeSync(fd)
  const writer = fs.openSync(here!, 'r+')
  fs.ftruncateSync(writer, 12_345)
  fs.fchmodSync(writer, 0o640)
  assert.equal(fs.statSync(there!).mode & 0o777, 0o640)
  fs.fsyncSync(writer)
  assert.equal(fs.statSync(there!).size, 12_345)
  fs.ftruncateSync(writer, 77)
  fs.closeSync(writer)
  assert.equal(fs.statSync(there!).size, 77)
})

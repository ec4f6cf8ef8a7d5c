/**
 * Many concurrent changes of names that wait for an unreachable coordinator: when it is back, each
 * is executed as requested, with its own names and its own user.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'

const LIMIT = { timeout: 120_000 }
const COUNT = 12
/** Threads of libuv that make system calls. */
const THREADS = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)
const numbers = Array.from({ length: COUNT }, (_, n) => n)

/** Number of requests of a mount without a reply. */
function waiting(mount: string): number {
  // Taken from the mount table: `stat` would be another request.
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((it) => it.split(' ')[4] === mount)
  const minor = line?.split(' ')[2]?.split(':')[1] ?? ''
  return Number(readFileSync(`/sys/fs/fuse/connections/${minor}/waiting`, 'utf8'))
}

test('changes that waited for the coordinator have their own names', LIMIT, async () => {
  await using cluster = await Cluster.start({ nodes: 1 })
  const at = (name: string): string => join(cluster.mount(0), name)
  // One folder per change: the kernel serializes changes within a directory.
  for (const n of numbers) {
    await fs.mkdir(at(`${n}`))
    await fs.writeFile(at(`${n}/old-${'x'.repeat(n)}`), `${n}`)
  }
  await cluster.killCoordinator()
  const changes = numbers.map(async (n) => {
    if (n % 3 === 0) await fs.mkdir(at(`${n}/made-${'y'.repeat(20 - n)}`))
    else if (n % 3 === 1) await fs.rename(at(`${n}/old-${'x'.repeat(n)}`), at(`${n}/new-${n}`))
    else await fs.symlink(`target-${n}`, at(`${n}/link-${n}`))
  })
  const all = Promise.all(changes)
  await eventually('as many wait as threads can ask', () => waiting(cluster.mount(0)) >= THREADS)
  await cluster.startCoordinator()
  await all
  for (const n of numbers) {
    const old = `old-${'x'.repeat(n)}`
    const names = (await fs.readdir(at(`${n}`))).sort()
    if (n % 3 === 0) assert.deepEqual(names, [`made-${'y'.repeat(20 - n)}`, old])
    else if (n % 3 === 1) assert.deepEqual(names, [`new-${n}`])
    else {
      assert.deepEqual(names, [`link-${n}`, old])
      assert.equal(await fs.readlink(at(`${n}/link-${n}`)), `target-${n}`)
    }
  }
})

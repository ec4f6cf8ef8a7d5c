/** Locks of processes on different nodes: they conflict, wait, and are released with their node. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Cluster } from '../fixtures/cluster.ts'
import { LockProcess } from '../fixtures/lock-process.ts'

test('locks hold across nodes, and go with their node', { timeout: 120_000 }, async () => {
  await using cluster = await Cluster.start({ nodes: 2 })
  const [here, there] = [join(cluster.mount(0), 'file'), join(cluster.mount(1), 'file')]
  writeFileSync(here, 'x')
  const one = await LockProcess.start(here)
  const two = await LockProcess.start(there)
  try {
    assert.equal(await one.tell('set w 0 10'), 'ok')
    assert.equal(await two.tell('set w 5 10'), `errno ${constants.errno.EAGAIN}`)
    assert.equal(await two.tell('set w 100 10'), 'ok')
    const waits = two.tell('wait w 5 10')
    assert.equal(await one.tell('set u 0 10'), 'ok')
    assert.equal(await waits, 'ok')
    assert.equal(await one.tell('set w 0 10'), `errno ${constants.errno.EAGAIN}`)
    const outlives = one.tell('wait w 0 10')
    await two.kill()
    assert.equal(await outlives, 'ok')
    const third = await LockProcess.start(there)
    const survives = third.tell('wait w 0 10')
    await cluster.nodes[0]!.kill()
    assert.equal(await survives, 'ok')
    await third.kill()
  } finally {
    await Promise.all([one.kill(), two.kill()])
  }
})

test(
  'a lock that ends with its file is of one process at a time',
  { timeout: 120_000 },
  async () => {
    await using cluster = await Cluster.start({ nodes: 1 })
    const program = new URL('../fixtures/locked-counter.py', import.meta.url).pathname
    for (const kind of ['flock', 'posix', 'ofd']) {
      const path = join(cluster.mount(0), kind)
      const { stdout } = await promisify(execFile)('python3', [program, path, kind, '4', '50'])
      assert.equal(stdout, '200', kind)
    }
    const path = join(cluster.mount(0), 'closed')
    writeFileSync(path, '')
    // Each takes the lock that its predecessor released by exiting.
    const take = `for i in $(seq 30); do flock -n '${path}' true || exit 1; done`
    await promisify(execFile)('sh', ['-c', take])
  },
)

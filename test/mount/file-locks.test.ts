/** flock(2) and fcntl(2) on real mounts of two nodes that share one lock table. */
import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { FileLocks } from '../../src/coordinator/locks/file-locks.ts'
import { INIT } from '../../src/fuse/wire/wire-flags.ts'
import { LockProcess } from '../fixtures/lock-process.ts'
import { mountLockTree } from './fuse-lock-tree.ts'
import { mountMemoryTree, run, withFuse } from './fuse-scratch.ts'

const { EAGAIN, EDEADLK, EINTR } = constants.errno
const LOCKS = INIT.POSIX_LOCKS | INIT.FLOCK_LOCKS

/** Two mounts; the file has the same inode in both. */
async function clusterOf(t: TestContext) {
  const table = new FileLocks()
  const started: LockProcess[] = []
  // Must run before the mounts are closed.
  t.after(() => Promise.all(started.map((child) => child.kill())))
  const [a, b] = [await mountLockTree(t, table, 'a'), await mountLockTree(t, table, 'b')]
  const fileA = join(a.server.mountPoint, 'file')
  const fileB = join(b.server.mountPoint, 'file')
  const start = async (path: string): Promise<LockProcess> => {
    const child = await LockProcess.start(path)
    started.push(child)
    return child
  }
  /** Waits until `count` requests wait in the table. */
  const waiting = async (count: number): Promise<void> => {
    for (let n = 0; n < 500 && table.waiting !== count; n++) await delay(10)
    assert.equal(table.waiting, count)
  }
  /** Asserts that no locks remain in the table or on the nodes. */
  const finish = async (): Promise<void> => {
    await Promise.all(started.map((child) => child.kill()))
    for (let n = 0; n < 500 && table.held('a').length + table.held('b').length > 0; n++) {
      await delay(10)
    }
    const left = [table.held('a'), table.held('b'), a.locks.held(), b.locks.held()]
    assert.deepEqual(left, [[], [], [], []])
    assert.equal(table.waiting, 0)
    assert.deepEqual([...a.failures, ...b.failures], [])
  }
  return { a, b, fileA, fileB, table, start, waiting, finish }
}

describe('file locks across nodes', withFuse, () => {
  test('are agreed with the kernel only where they are shared', async (t) => {
    const { a } = await clusterOf(t)
    assert.equal(a.server.negotiated.flags & LOCKS, LOCKS)
    const { negotiated } = await mountMemoryTree(t)
    assert.equal(negotiated.flags & LOCKS, 0)
  })

  test('fcntl: conflicts on one node and between nodes, by byte', async (t) => {
    const { fileA, fileB, table, start, finish } = await clusterOf(t)
    const [one, two, three] = [await start(fileA), await start(fileA), await start(fileB)]
    assert.equal(await one.tell('set w 10 10'), 'ok')
    for (const other of [two, three]) {
      assert.equal(await other.tell('set r 19 1'), `errno ${EAGAIN}`)
      assert.equal(await other.tell('set r 20 5'), 'ok')
    }
    assert.equal(await two.tell('set w 20 5'), `errno ${EAGAIN}`)
    assert.equal(await three.tell('set w 20 5'), `errno ${EAGAIN}`)
    assert.equal(await one.tell('set u 12 2'), 'ok')
    assert.equal(await three.tell('set w 12 2'), 'ok')
    assert.equal(await one.tell('set w 0 0'), `errno ${EAGAIN}`)
    const ranges = table.held('a').map(({ type, start: from, end }) => [type, from, end])
    assert.deepEqual(ranges, [
      ['write', 10, 11],
      ['write', 14, 19],
      ['read', 20, 24],
    ])
    await finish()
  })

  test('fcntl: who holds it; a pid of another node says nothing', async (t) => {
    const { fileA, fileB, start, finish } = await clusterOf(t)
    const [one, two, three] = [await start(fileA), await start(fileA), await start(fileB)]
    assert.equal(await two.tell('get w 0 0'), 'free')
    assert.equal(await one.tell('set r 100 50'), 'ok')
    assert.equal(await one.tell('get w 0 0'), 'free')
    assert.equal(await two.tell('get r 0 0'), 'free')
    assert.equal(await two.tell('get w 0 0'), `r 100 50 ${one.pid}`)
    assert.equal(await three.tell('get w 120 1'), 'r 100 50 0')
    assert.equal(await one.tell('set w 200 0'), 'ok')
    assert.equal(await two.tell('get r 300 1'), `w 200 0 ${one.pid}`)
    await finish()
  })

  test('fcntl: waits, and is granted when the other node gives it back', async (t) => {
    const { fileA, fileB, start, waiting, finish } = await clusterOf(t)
    const [one, two, three] = [await start(fileA), await start(fileA), await start(fileB)]
    assert.equal(await one.tell('set w 0 0'), 'ok')
    const local = two.tell('wait w 5 5')
    const remote = three.tell('wait r 20 5')
    await waiting(2)
    assert.equal(await one.tell('set u 20 10'), 'ok')
    assert.equal(await remote, 'ok')
    await waiting(1)
    assert.equal(await one.tell('set r 0 5'), 'ok')
    await waiting(1)
    assert.equal(await one.tell('set u 0 0'), 'ok')
    assert.equal(await local, 'ok')
    await finish()
  })

  test('fcntl: a signal ends the wait, and nothing is held', async (t) => {
    const { fileA, fileB, table, start, waiting, finish } = await clusterOf(t)
    const [one, two] = [await start(fileA), await start(fileB)]
    assert.equal(await two.tell('set r 50 10'), 'ok')
    for (let n = 0; n < 20; n++) {
      assert.equal(await one.tell('set w 0 10'), 'ok')
      const wait = two.tell('wait w 0 100')
      await waiting(1)
      two.interrupt()
      assert.equal(await wait, `errno ${EINTR}`)
      assert.equal(table.waiting, 0)
      assert.equal(await one.tell('set u 0 0'), 'ok')
      const held = table.held('b').map(({ type, start: from, end }) => [type, from, end])
      assert.deepEqual(held, [['read', 50, 59]])
    }
    await finish()
  })

  test('fcntl: a signal in the instant of the grant: held if the process is told so', async (t) => {
    const { fileA, fileB, start, waiting, table, finish } = await clusterOf(t)
    const [one, two] = [await start(fileA), await start(fileB)]
    const told = new Set<string | undefined>()
    for (let n = 0; n < 60; n++) {
      assert.equal(await one.tell('set w 0 10'), 'ok')
      const wait = two.tell('wait w 0 10')
      await waiting(1)
      const unlock = one.tell('set u 0 10')
      await delay(n % 3)
      two.interrupt()
      const answer = await wait
      told.add(answer)
      assert.equal(await unlock, 'ok')
      assert.equal(table.held('b').length, answer === 'ok' ? 1 : 0)
      assert.equal(await two.tell('set u 0 0'), 'ok')
    }
    for (const answer of told) assert.ok(answer === 'ok' || answer === `errno ${EINTR}`)
    await finish()
  })

  test('fcntl: any close of the file gives all back', async (t) => {
    const { fileA, fileB, start, waiting, finish } = await clusterOf(t)
    const [one, two] = [await start(fileA), await start(fileB)]
    assert.equal(await one.tell('set w 0 10'), 'ok')
    assert.equal(await one.tell('set r 20 10'), 'ok')
    const wait = two.tell('wait w 0 0')
    await waiting(1)
    assert.equal(await one.tell('reopen'), 'ok')
    assert.equal(await wait, 'ok')
    // Only locks of the same process are released.
    const three = await start(fileB)
    assert.equal(await three.tell('reopen'), 'ok')
    assert.equal(await one.tell('set r 0 1'), `errno ${EAGAIN}`)
    await finish()
  })

  test('fcntl: a killed process leaves no lock and waits for none', async (t) => {
    const { fileA, fileB, start, waiting, finish } = await clusterOf(t)
    const [one, two, three] = [await start(fileA), await start(fileA), await start(fileB)]
    assert.equal(await one.tell('set w 0 0'), 'ok')
    const killed = two.tell('wait w 0 10')
    const wait = three.tell('wait w 0 0')
    await waiting(2)
    await two.kill()
    assert.equal(await killed, undefined)
    await waiting(1)
    // A second signal that is pending at death also interrupts the last close.
    one.interrupt()
    await one.kill()
    assert.equal(await wait, 'ok')
    await finish()
  })

  test('fcntl: two nodes that wait for each other: EDEADLK', async (t) => {
    const { fileA, fileB, start, waiting, finish } = await clusterOf(t)
    const [one, two] = [await start(fileA), await start(fileB)]
    assert.equal(await one.tell('set w 0 1'), 'ok')
    assert.equal(await two.tell('set w 1 1'), 'ok')
    const wait = one.tell('wait w 1 1')
    await waiting(1)
    assert.equal(await two.tell('wait w 0 1'), `errno ${EDEADLK}`)
    assert.equal(await two.tell('set u 1 1'), 'ok')
    assert.equal(await wait, 'ok')
    await finish()
  })

  test('flock: shared and exclusive, apart from fcntl', async (t) => {
    const { fileA, fileB, start, waiting, finish } = await clusterOf(t)
    const [one, two] = [await start(fileA), await start(fileB)]
    assert.equal(await one.tell('flock r'), 'ok')
    assert.equal(await two.tell('flock r'), 'ok')
    assert.equal(await two.tell('set w 0 0'), 'ok')
    assert.equal((await run('flock', '-n', '-x', fileB, 'true')).status, 1)
    assert.equal((await run('flock', '-n', '-s', fileB, 'true')).status, 0)
    const upgrade = one.tell('flockwait w')
    await waiting(1)
    assert.equal(await two.tell('flock u'), 'ok')
    assert.equal(await upgrade, 'ok')
    assert.equal((await run('flock', '-n', '-s', fileB, 'true')).status, 1)
    assert.equal((await run('flock', '-w', '0.2', fileA, 'true')).status, 1)
    const wait = two.tell('flockwait r')
    await waiting(1)
    two.interrupt()
    assert.equal(await wait, `errno ${EINTR}`)
    const again = two.tell('flockwait r')
    await waiting(1)
    await one.kill()
    assert.equal(await again, 'ok')
    await finish()
  })

  test('flock(1) lets one in at a time, whatever node it is on', async (t) => {
    const { fileA, fileB, finish } = await clusterOf(t)
    const script = 'test -e "$1/in" && exit 9; touch "$1/in"; sleep 0.02; rm "$1/in"'
    const folder = join(fileA, '..')
    const all = Array.from({ length: 16 }, (_, n) =>
      run('flock', n % 2 === 0 ? fileA : fileB, 'sh', '-c', script, 'sh', folder),
    )
    for (const { status, stderr } of await Promise.all(all)) assert.equal(status, 0, stderr)
    await finish()
  })

  test('a node that ends sets free what its processes held', async (t) => {
    const { fileA, fileB, table, start, waiting } = await clusterOf(t)
    const [one, two] = [await start(fileA), await start(fileB)]
    assert.equal(await one.tell('set w 0 0'), 'ok')
    const wait = two.tell('wait w 0 0')
    await waiting(1)
    table.dropSession('a')
    assert.equal(await wait, 'ok')
    await Promise.all([one.kill(), two.kill()])
  })
})

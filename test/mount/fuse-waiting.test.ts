/** Suspended operations: passed to the main thread, resumed, interrupted, refused. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { FsError } from '../../src/base/fs-error.ts'
import { limits } from '../../src/limits.ts'
import { eventually } from '../fixtures/eventually.ts'
import { CONTENT, SLOW_TREE } from './fuse-slow-tree.ts'
import { mountSlowTree, run, withFuse } from './fuse-scratch.ts'

interface WaitCondition {
  ino: number
}

/** A function, and a promise of its next call. */
function nextCall<T>() {
  const { promise, resolve } = Promise.withResolvers<T>()
  return { called: promise, call: resolve }
}

const never = (): Promise<never> => new Promise(() => undefined)

describe('operations that wait', withFuse, () => {
  test('an open and a read complete when what they need is there', async (t) => {
    const needs: unknown[] = []
    const release: { now?: () => void } = {}
    const mounted = await mountSlowTree(t, {
      resolveWait: async (need) => {
        needs.push(need)
        await delay(50)
        release.now?.()
      },
    })
    release.now = mounted.release
    assert.ok(CONTENT.equals(await fs.readFile(mounted.path('slow-open'))))
    assert.deepEqual(needs, [{ ino: SLOW_TREE['slow-open'] }])
    assert.ok(CONTENT.equals(await fs.readFile(mounted.path('slow-read'))))
  })

  test('an operation that still misses something is satisfied again', async (t) => {
    let rounds = 0
    const release: { now?: () => void } = {}
    const mounted = await mountSlowTree(t, {
      resolveWait: async () => {
        if (++rounds === 3) release.now?.()
      },
    })
    release.now = mounted.release
    assert.ok(CONTENT.equals(await fs.readFile(mounted.path('slow-read'))))
    assert.equal(rounds, 3)
  })

  test('one that never ends is given up with EIO', async (t) => {
    const { path, logged } = await mountSlowTree(t)
    await assert.rejects(fs.readFile(path('slow-open')), { code: 'EIO' })
    assert.match(logged.join(), /still suspended/)
  })

  test('others are served while one waits', async (t) => {
    const { server, path } = await mountSlowTree(t, { resolveWait: never })
    const waiting = execFile('cat', [path('never-ready')])
    await eventually('it waits', () => server.waitingRequests === 1)
    for (let n = 0; n < 100; n++) await fs.stat(path(`f${n}`))
    waiting.kill('SIGKILL')
  })

  test('an error of the satisfier is the answer', async (t) => {
    const { path } = await mountSlowTree(t, {
      resolveWait: () => Promise.reject(new FsError('ENOSPC', 'full')),
    })
    await assert.rejects(fs.readFile(path('no-space')), { code: 'ENOSPC' })
    const { path: other, logged } = await mountSlowTree(t, {
      resolveWait: () => Promise.reject(new RangeError('a mistake')),
    })
    await assert.rejects(fs.readFile(other('no-space')), { code: 'EIO' })
    assert.match(logged.join(), /OPEN of inode 13 failed: RangeError: a mistake/)
  })

  test('a signal ends the wait with EINTR, and the satisfier learns of it', async (t) => {
    const { called, call } = nextCall<AbortSignal>()
    const { server, path } = await mountSlowTree(t, {
      resolveWait: (_need, { signal }) => {
        call(signal)
        return never()
      },
    })
    const script = '$SIG{ALRM} = sub {}; alarm 1; exit(sysopen(F, $ARGV[0], 0) ? 99 : $!+0)'
    const { status } = await run('perl', '-e', script, path('never-ready'))
    assert.equal(status, 4)
    assert.ok((await called).aborted)
    assert.equal(server.waitingRequests, 0)
  })

  test('a signal that asks nothing does not end the wait, one that comes later does', async (t) => {
    const { path } = await mountSlowTree(t, { resolveWait: never })
    const script = `$SIG{CHLD} = $SIG{URG} = sub {}; $SIG{ALRM} = sub { $rang = 1 };
      if (!fork) { select(undef, undef, undef, 0.3); kill URG => getppid; exit }
      alarm 2; exit(sysopen(F, $ARGV[0], 0) ? 99 : $rang ? $!+0 : 98)`
    const { status } = await run('perl', '-e', script, path('never-ready'))
    assert.equal(status, 4)
  })

  test('a killed program goes at once', async (t) => {
    const aborted = nextCall<WaitCondition>()
    const { path } = await mountSlowTree(t, {
      resolveWait: (need, { signal }) => {
        signal.addEventListener('abort', () => aborted.call(need as WaitCondition))
        return never()
      },
    })
    const { status } = await run('timeout', '-s', 'KILL', '0.3', 'cat', path('never-ready'))
    assert.notEqual(status, 0)
    assert.equal((await aborted.called).ino, SLOW_TREE['never-ready'])
    // The kernel interrupts cached reads itself: no signal arrives here, but nothing hangs.
    await run('timeout', '-s', 'KILL', '0.3', 'cat', path('slow-read'))
  })

  test('more requests wait than there are workers', async (t) => {
    const gate = nextCall<undefined>()
    const mounted = await mountSlowTree(t, { resolveWait: () => gate.called })
    const all = Array.from({ length: 20 }, () => run('cat', mounted.path('slow-open')))
    await eventually('all wait', () => mounted.server.waitingRequests === 20)
    mounted.release()
    gate.call(undefined)
    for (const { stdout } of await Promise.all(all)) assert.equal(stdout, CONTENT.toString())
  })

  test('one more than may wait is told EAGAIN in the end, the others go on', async (t) => {
    const gate = nextCall<undefined>()
    const mounted = await mountSlowTree(t, { resolveWait: () => gate.called })
    const script = 'n=0; while [ $n -lt $1 ]; do cat "$0" & n=$((n+1)); done; wait'
    const count = String(limits.fuseWaitingRequests + 1)
    const all = spawn('sh', ['-c', script, mounted.path('slow-open'), count])
    const [answered, refused] = [text(all.stdout), text(all.stderr)]
    await once(all.stderr, 'data')
    mounted.release()
    gate.call(undefined)
    const wanted = CONTENT.toString().repeat(limits.fuseWaitingRequests)
    assert.equal(await answered, wanted)
    assert.match(await refused, /^cat: .*slow-open: Resource temporarily unavailable\n$/)
  })

  test('a mistake of the file system is EIO and is logged, and the mount lives', async (t) => {
    const { path, logged } = await mountSlowTree(t)
    await assert.rejects(fs.stat(path('broken')), { code: 'EIO' })
    await fs.stat(path('f1'))
    const wanted = /LOOKUP of inode 1 failed: TypeError: a mistake/
    await eventually('it is logged', () => wanted.test(logged.join()))
  })

  test('workers send hints', async (t) => {
    const { path, hints } = await mountSlowTree(t)
    await fs.stat(path('hint'))
    await eventually('a hint has arrived', () => hints.length > 0)
    assert.deepEqual(hints, [{ looked: 'up' }])
  })
})

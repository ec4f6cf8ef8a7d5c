/** Valid and invalid mount points, and every way in which a mount ends. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { findMount } from '../../src/fuse/mount/mount-table.ts'
import { eventually } from '../fixtures/eventually.ts'
import { mountMemoryTree, mountSlowTree, run, scratchFolder, withFuse } from './fuse-scratch.ts'

const DAEMON = join(import.meta.dirname, 'fuse-daemon.ts')

/** Starts a process that mounts `mountPoint`. */
async function startDaemon(mountPoint: string, how = 'stay'): Promise<ChildProcess> {
  const daemon = spawn(process.execPath, [DAEMON, mountPoint, how], {
    stdio: ['ignore', 'pipe', how === 'throw' ? 'ignore' : 'inherit'],
  })
  assert.ok(daemon.stdout)
  await once(daemon.stdout, 'data')
  return daemon
}

describe('mount points', withFuse, () => {
  test('a missing, a used and a wrong one are refused and stay as they are', async (t) => {
    const folder = scratchFolder(t)
    const missing = join(folder, 'missing')
    await assert.rejects(mountMemoryTree(t, { mountPoint: missing }), {
      code: 'ENOENT',
      message: /does not exist/,
    })
    const file = join(folder, 'file')
    await fs.writeFile(file, 'mine')
    await assert.rejects(mountMemoryTree(t, { mountPoint: folder }), {
      code: 'ENOTEMPTY',
      message: /"file"/,
    })
    await assert.rejects(mountMemoryTree(t, { mountPoint: file }), { code: 'ENOTDIR' })
    await assert.rejects(mountMemoryTree(t, { mountPoint: '/' }), { code: 'EINVAL' })
    assert.equal(await fs.readFile(file, 'utf8'), 'mine')
    await fs.unlink(file)
  })

  test('names with blanks and symlinks are fine', async (t) => {
    const folder = scratchFolder(t)
    const target = join(folder, 'with blank')
    const link = join(folder, 'link')
    await fs.mkdir(target)
    await fs.symlink(target, link)
    const server = await mountMemoryTree(t, { mountPoint: link })
    assert.equal(server.mountPoint, target)
    await fs.writeFile(join(link, 'x'), 'y')
    await server.close()
    await fs.unlink(link)
    await fs.rmdir(target)
  })

  test('a living mount is not covered by a second one', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    await fs.writeFile(join(mountPoint, 'x'), 'y')
    await assert.rejects(mountMemoryTree(t, { mountPoint }), { code: 'EBUSY', message: /alive/ })
    assert.equal(await fs.readFile(join(mountPoint, 'x'), 'utf8'), 'y')
  })

  test('what a killed daemon left is taken away', async (t) => {
    const mountPoint = scratchFolder(t)
    for (let n = 0; n < 2; n++) {
      const daemon = await startDaemon(mountPoint)
      assert.equal(await fs.readFile(join(mountPoint, 'hello'), 'utf8'), 'from the daemon')
      daemon.kill('SIGKILL')
      await once(daemon, 'exit')
      await assert.rejects(fs.statfs(mountPoint), { code: 'ENOTCONN' })
    }
    const server = await mountMemoryTree(t, { mountPoint })
    assert.deepEqual(await fs.readdir(mountPoint), [])
    await server.close()
    assert.equal(findMount(mountPoint), undefined)
  })

  test('a file system that does not open leaves no mount', async (t) => {
    const mountPoint = scratchFolder(t)
    const module = new URL('./fuse-scratch.ts', import.meta.url)
    await assert.rejects(mountMemoryTree(t, { mountPoint, worker: { module } }), {
      code: 'EIO',
      message: /failed to open the file system/,
    })
    assert.equal(findMount(mountPoint), undefined)
  })
})

describe('the end of a mount', withFuse, () => {
  test('close unmounts, ends everything, and may be called again', async (t) => {
    const { server } = await mountSlowTree(t)
    await Promise.all([server.close(), server.close()])
    await server.close()
    await server.closed
    assert.equal(findMount(server.mountPoint), undefined)
    await server.invalidateInode(1)
  })

  test('close takes the mount from those who use it, in bounded time', async (t) => {
    const { server, path, logged } = await mountSlowTree(t, {
      resolveWait: () => new Promise(() => undefined),
    })
    const waiting = run('cat', path('never-ready'))
    await eventually('it waits', () => server.waitingRequests === 1)
    await server.close()
    assert.notEqual((await waiting).status, 0)
    assert.match(logged.join(), /in use/)
  })

  test('a user who leaves in time is not disturbed', async (t) => {
    const logged: string[] = []
    const server = await mountMemoryTree(t, { log: (line) => logged.push(line) })
    const file = await fs.open(join(server.mountPoint, 'file'), 'w')
    const closing = server.close()
    await file.writeFile('in time')
    await file.sync()
    await file.close()
    await closing
    assert.doesNotMatch(logged.join(), /in use/)
    assert.equal(findMount(server.mountPoint), undefined)
  })

  test('an unmount from outside ends the server', async (t) => {
    const { server } = await mountSlowTree(t)
    assert.equal((await run('umount', server.mountPoint)).status, 0)
    await server.closed
  })

  test('a mount that was detached while in use is ended as well', async (t) => {
    const { server, path } = await mountSlowTree(t)
    const file = await fs.open(path('plain'))
    assert.equal((await run('umount', '-l', server.mountPoint)).status, 0)
    await server.close()
    await assert.rejects(file.read())
    await file.close().catch(() => undefined)
  })

  test('a worker that dies takes the mount with it and is reported', async (t) => {
    const fatal = Promise.withResolvers<Error>()
    const { server, path, logged } = await mountSlowTree(t, { onFatal: fatal.resolve })
    await assert.rejects(fs.stat(path('deadly')))
    assert.match((await fatal.promise).message, /status 7/)
    await server.closed
    assert.equal(findMount(server.mountPoint), undefined)
    assert.match(logged.join(), /a worker thread .* died/)
  })

  for (const [how, status] of [
    ['exit', 3],
    ['throw', 1],
  ] as const) {
    test(`a process that ends by ${how} neither hangs nor leaves its mount`, async (t) => {
      const mountPoint = scratchFolder(t)
      const daemon = await startDaemon(mountPoint, how)
      if (daemon.exitCode === null) await once(daemon, 'exit')
      assert.equal(daemon.exitCode, status)
      assert.equal(findMount(mountPoint), undefined)
    })
  }
})

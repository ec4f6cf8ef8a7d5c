/** Notifications of the programs to systemd: a real socket at a path, and an abstract one. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { DatagramReceiver } from '../fixtures/datagram-receiver.ts'
import { Program, run } from './program.ts'

const NVME = mkdtempSync(join(tmpdir(), 'cachefs-service-'))
const CLIENT = ['-port', '0', '-mount', '/tmp/none', '-cloud-dir', '/tmp/cloud', '-nvme', NVME]
after(() => rmSync(NVME, { recursive: true }))

describe('sd_notify', () => {
  const home = mkdtempSync(join(tmpdir(), 'cachefs-notify-'))
  after(() => rmSync(home, { recursive: true }))

  test('a node says once that it is ready, and that it stops: an abstract socket', async () => {
    const socket = `@cachefs-test-${process.pid}`
    using manager = new DatagramReceiver(socket)
    const env = { STAND_IN: 'works', NOTIFY_SOCKET: socket }
    await using client = new Program('client', CLIENT, env)
    assert.match(await manager.next(), /^READY=1\nSTATUS=mounted at \/tmp\/none, API at http:\S+$/)
    // By then the daemon has sent everything that it would send.
    assert.equal(manager.take(), undefined)
    client.child.kill('SIGTERM')
    assert.equal(await manager.next(), 'STOPPING=1\nSTATUS=stopping')
    assert.equal((await client.ended).status, 0)
    assert.equal(manager.take(), undefined)
  })

  test('so does a coordinator: a socket at a path', async () => {
    const socket = join(home, 'notify')
    using manager = new DatagramReceiver(socket)
    const args = ['-port', '0', '-data', join(home, 'data')]
    await using coordinator = new Program('coordinator', args, { NOTIFY_SOCKET: socket })
    assert.match(await manager.next(), /^READY=1\nSTATUS=nodes connect at http:\S+$/)
    coordinator.child.kill('SIGTERM')
    assert.match(await manager.next(), /^STOPPING=1\n/)
    assert.equal((await coordinator.ended).status, 0)
  })

  test('a node that does not start is never ready', async () => {
    const socket = join(home, 'failing')
    using manager = new DatagramReceiver(socket)
    const env = { STAND_IN: 'fails-to-start', NOTIFY_SOCKET: socket }
    assert.equal((await run('client', CLIENT, env)).status, 1)
    assert.equal(manager.take(), undefined)
  })

  test('a manager that is not there is logged, and stops nothing', async () => {
    for (const socket of [join(home, 'nobody'), `/${'x'.repeat(200)}`]) {
      await using client = new Program('client', CLIENT, {
        STAND_IN: 'works',
        NOTIFY_SOCKET: socket,
      })
      await client.says(/^ready /m)
      await client.says(/WARN +\[CLIENT\] the service manager could not be told READY=1: /)
      client.child.kill('SIGTERM')
      assert.equal((await client.ended).status, 0)
    }
  })
})

/** Tests that the API of a node admits only clients with its key, which other users cannot read. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { CoordinatorProcess } from '../fixtures/coordinator-process.ts'
import { checkDocumented } from '../fixtures/documented-metrics.ts'
import { eventually } from '../fixtures/eventually.ts'
import { keyedFetch } from '../fixtures/keyed-fetch.ts'
import { withFuse } from './fuse-scratch.ts'

const NOBODY = 65534
const CACHEFS = new URL('../../src/cli/cachefs.ts', import.meta.url).pathname
const CLOSED = ['/api/status', '/api/files/file', '/api/peers', '/metrics', '/api/openapi.json']

const secretIn = (folder: string, name: string): string =>
  readFileSync(join(folder, name), 'utf8').trim()

/** Arguments of all processes visible to this user. */
function allArguments(): string {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map((pid) => read(`/proc/${pid}/cmdline`)).join('\n')
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

test('a node lets in whoever has the key that it made, and nobody else', withFuse, async () => {
  using home = new ClientHome()
  const node = await ClientProcess.start(home)
  writeFileSync(join(home.mount, 'file'), 'for root alone', { mode: 0o600 })
  for (const path of CLOSED) {
    assert.equal((await fetch(node.api + path)).status, 401, path)
    const wrong = await keyedFetch(`${node.key}x`)(node.api + path)
    assert.equal(wrong.status, 401, path)
    assert.equal((await node.fetch(node.api + path)).status, 200, path)
  }
  for (const method of ['PUT', 'DELETE', 'HEAD']) {
    assert.equal((await fetch(`${node.api}/api/files/file`, { method })).status, 401, method)
  }
  assert.equal(readFileSync(join(home.mount, 'file'), 'utf8'), 'for root alone')
  for (const path of ['/api/health', '/api/health/live', '/api/health/ready']) {
    assert.equal((await fetch(node.api + path)).status, 200, path)
  }
  const token = secretIn(home.nvme, 'metrics-token')
  const headers = { authorization: `Bearer ${token}` }
  const metrics = await fetch(`${node.api}/metrics`, { headers })
  assert.equal(metrics.status, 200)
  checkDocumented(await metrics.text(), 'node')
  assert.equal((await fetch(`${node.api}/api/status`, { headers })).status, 401)
  assert.equal(await node.stop(), 0)
})

test('its secrets are kept, and shown to no other user', withFuse, async () => {
  using home = new ClientHome()
  chmodSync(home.directory, 0o755)
  const first = await ClientProcess.start(home)
  const secrets = [secretIn(home.nvme, 'api-key'), secretIn(home.nvme, 'metrics-token')]
  assert.equal(secrets[0], first.key)
  for (const name of ['api-key', 'metrics-token', 'node.json', 'volume.db', 'node.db']) {
    const path = join(home.nvme, name)
    assert.equal(statSync(path).mode & 0o777, 0o600, name)
    const cat = spawnSync('cat', [path], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' })
    assert.deepEqual([cat.status, cat.stdout], [1, ''], name)
  }
  for (const secret of secrets) assert.ok(!allArguments().includes(secret))
  assert.equal(await first.stop(), 0)
  const second = await ClientProcess.start(home)
  assert.equal(second.key, first.key)
  assert.equal(await second.stop(), 0)
  assert.ok(!secrets.some((it) => [...first.log, ...second.log].join('').includes(it)))
  chmodSync(join(home.nvme, 'api-key'), 0o644)
  const { code, stderr } = await ClientProcess.run(home)
  assert.equal(code, 1)
  assert.match(stderr, /other users may know what is in .*api-key: remove it/)
})

test('a key on the command line is taken off it', withFuse, async () => {
  using home = new ClientHome()
  const node = await ClientProcess.start(home, { flags: ['-api-key', 'a-key-in-argv'] })
  assert.equal(node.key, 'a-key-in-argv')
  assert.equal((await node.fetch(`${node.api}/api/status`)).status, 200)
  assert.ok(!allArguments().includes('a-key-in-argv'))
  const { status, stdout } = spawnSync(process.execPath, [CACHEFS, 'status', '--dir', home.nvme])
  assert.equal(status, 0)
  assert.match(String(stdout), /^mountPoint /m)
  assert.equal(await node.stop(), 0)
})

test(
  'nodes find the key of a coordinator beside them, which may start later',
  withFuse,
  async () => {
    await using cluster = await Cluster.start({ nodes: 1 })
    const [node] = cluster.nodes
    assert.equal(node!.key, secretIn(cluster.dataOf(0), 'api-key'))
    const url = `${cluster.coordinatorUrl}/api/peers`
    assert.equal((await fetch(url)).status, 401)
    assert.equal((await node!.fetch(url)).status, 200)
    await cluster.killCoordinator()
    using late = new ClientHome()
    const address = new URL(cluster.coordinatorUrl).host
    const starting = ClientProcess.start(late, { flags: ['-coordinator', address] })
    await cluster.startCoordinator()
    const second = await starting
    assert.equal(second.key, node!.key)
    writeFileSync(join(late.mount, 'file'), 'of the second')
    assert.equal(readFileSync(join(cluster.mount(0), 'file'), 'utf8'), 'of the second')
    assert.equal(await second.stop(), 0)
  },
)

test('a node that cannot know the key of its cluster says so', withFuse, async () => {
  using home = new ClientHome()
  const far = await ClientProcess.run(home, { flags: ['-coordinator', 'far.example:8080'] })
  assert.equal(far.code, 1)
  assert.match(
    far.stderr,
    /^client: EACCES: the API key of the coordinator at far\.example:8080 is/,
  )
  const data = join(home.directory, 'data')
  const coordinator = new CoordinatorProcess(['-data', data])
  await coordinator.start()
  const flags = ['-coordinator', coordinator.address, '-api-key', 'of another']
  const { code, stderr } = await ClientProcess.run(home, { flags })
  await coordinator.kill()
  assert.equal(code, 1)
  assert.match(stderr, /it knows neither this node nor its -api-key/)
})

test('a node that waits for its coordinator stops when it is told to', withFuse, async () => {
  using home = new ClientHome()
  // Nothing listens on port 9 of this machine.
  const running = ClientProcess.launch(home, { flags: ['-coordinator', 'localhost:9'] })
  await eventually('it waits', () => running.log.join('').includes('waiting for the coordinator'))
  const ended = once(running.child, 'exit')
  running.child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

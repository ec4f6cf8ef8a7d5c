/**
 * Programs on a node while something that they need does not respond: the wait can be interrupted
 * with Ctrl-C and ends with a clear errno; operations that need nothing of it continue.
 * (Unreachable coordinator: coordinator-away.test.ts; writers at their bounds:
 * ../mount/cloud-trouble.test.ts.)
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startFaultProxy, type FaultProxy } from '../fixtures/fault-proxy.ts'
import { HeldFile } from '../fixtures/held-file.ts'
import { interrupted } from '../fixtures/interrupted.ts'
import { startS3Server, type S3Server } from '../fixtures/s3-server.ts'

const CONTENT = Buffer.alloc(200_000, 'content ')
const LIMIT = { timeout: 180_000 }

let cloud: S3Server
let proxy: FaultProxy
let cluster: Cluster

before(async () => {
  cloud = await startS3Server()
  const { endpoint, bucket, region, accessKeyId, secretAccessKey } = cloud.options
  process.env['AWS_ACCESS_KEY_ID'] = accessKeyId
  process.env['AWS_SECRET_ACCESS_KEY'] = secretAccessKey
  proxy = await startFaultProxy(endpoint)
  const where = ['-s3-endpoint', proxy.endpoint, '-s3-bucket', bucket, '-s3-region', region]
  const flags = ['-cloud-provider', 's3', ...where, '-chunk-size', '64K', '-nvme-capacity', '50M']
  cluster = await Cluster.start({ nodes: 2, ownCloud: true, flags })
})
after(async () => {
  await cluster[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await cloud[Symbol.asyncDispose]()
})

function path(at: number, name: string): string {
  return join(cluster.mount(at), name)
}

test('the cloud away: a cold read waits, interruptibly, then EIO', LIMIT, async () => {
  for (const name of ['cold', 'warm']) await writeFile(path(0, name), CONTENT)
  await cluster.nodes[0]!.act('wait', '/')
  for (const node of cluster.nodes) await node.act('evict', '/')
  assert.ok((await readFile(path(1, 'warm'))).equals(CONTENT))
  proxy.fault = 'hang'
  assert.equal(await interrupted('cp', [path(1, 'cold'), '/dev/null']), 'SIGINT')
  proxy.fault = 'reset'
  await assert.rejects(readFile(path(1, 'cold')), { code: 'EIO' })
  assert.ok((await readFile(path(1, 'warm'))).equals(CONTENT), 'what is here is read')
  await writeFile(path(1, 'written'), CONTENT)
  proxy.fault = 'none'
  assert.ok((await readFile(path(1, 'cold'))).equals(CONTENT))
})

/** The kernel must drop pages that a program is reading, and waits for that read. */
for (const what of ['node', 'daemon'] as const) {
  test(`a ${what} killed while what it reads has changed holds nobody up`, LIMIT, async () => {
    const name = `changing-${what}`
    await writeFile(path(0, name), CONTENT)
    await cluster.nodes[0]!.act('wait', '/')
    for (const node of cluster.nodes) await node.act('evict', '/')
    proxy.fault = 'hang'
    const reader = spawn('cat', [path(1, name)], { stdio: 'ignore' })
    const ended = once(reader, 'exit')
    await delay(1000)
    const other = Buffer.alloc(CONTENT.length, 'other ')
    await writeFile(path(0, name), other)
    await delay(500)
    assert.equal(reader.exitCode, null, 'it waits')
    if (what === 'node') {
      await cluster.nodes[1]!.kill()
      assert.deepEqual(await ended, [1, null], 'an error, no hang')
      proxy.fault = 'none'
      await cluster.restart(1)
    } else {
      process.kill(cluster.nodes[1]!.daemon, 'SIGKILL')
      proxy.fault = 'none'
      assert.deepEqual(await ended, [0, null], 'the next daemon answers')
    }
    await eventually('it is read as it is now', async () => {
      return (await readFile(path(1, name)).catch(() => undefined))?.equals(other) === true
    })
  })
}

test('the only node with the bytes does not answer: a read, and a writer', LIMIT, async () => {
  proxy.fault = 'busy'
  await writeFile(path(0, 'only'), CONTENT)
  await using leased = await HeldFile.open(path(0, 'leased'), 'w')
  await leased.write(CONTENT, 0)
  await leased.sync()
  process.kill(cluster.nodes[0]!.daemon, 'SIGSTOP')
  try {
    const ends = await Promise.all([
      interrupted('cp', [path(1, 'only'), '/dev/null']),
      interrupted('dd', ['if=/dev/zero', `of=${path(1, 'leased')}`, 'bs=4K', 'count=1']),
      interrupted('touch', [path(1, 'made')]),
    ])
    assert.deepEqual(ends, ['SIGINT', 'SIGINT', 'SIGINT'])
  } finally {
    process.kill(cluster.nodes[0]!.daemon, 'SIGCONT')
  }
  assert.ok((await readFile(path(1, 'only'))).equals(CONTENT), 'when it answers again')
  await writeFile(path(0, 'gone'), CONTENT)
  await leased.close()
  await cluster.nodes[0]!.kill()
  await assert.rejects(readFile(path(1, 'gone')), { code: 'EIO' })
  proxy.fault = 'none'
})

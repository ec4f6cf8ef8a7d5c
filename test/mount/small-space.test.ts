/**
 * Less space than data: a cache smaller than one file, and a disk that fills up. Writes continue
 * because data is uploaded and evicted, and the data is read back complete. ENOSPC occurs only
 * while the cloud is unavailable too.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Random } from '../fixtures/random.ts'
import { SmallDisk } from '../fixtures/small-disk.ts'
import { BlockingWriter } from './blocking-writer.ts'

const MIB = 1024 * 1024

async function checksum(path: string, megabytes = Infinity): Promise<string> {
  const hash = createHash('sha256')
  const options = Number.isFinite(megabytes) ? { end: megabytes * MIB - 1 } : {}
  for await (const part of createReadStream(path, options)) hash.update(part as Buffer)
  return hash.digest('hex')
}

/** Creates a local file of random bytes. */
function makeSource(home: ClientHome, megabytes: number): string {
  const path = join(home.directory, 'source')
  writeFileSync(path, new Random(megabytes).bytes(megabytes * MIB))
  return path
}

test('a file of 64 MB through a cache of 16 MB', { timeout: 120_000 }, async () => {
  using home = new ClientHome()
  const flags = ['-chunk-size', '1', '-nvme-capacity', '16M']
  const client = await ClientProcess.start(home, { flags })
  const source = makeSource(home, 64)
  const target = join(home.mount, 'large')
  assert.equal(await new BlockingWriter(source, target, 64).result(), '')
  const wanted = await checksum(source)
  assert.equal(await checksum(target), wanted)
  const { usedBytes } = (await client.status())['cache'] as { usedBytes: number }
  assert.ok(usedBytes <= 18 * MIB, `${usedBytes} bytes are in a cache of 16 MiB`)
  await client.kill()
  const again = await ClientProcess.start(home, { flags })
  assert.equal(await checksum(target), wanted, 'after kill -9')
  assert.equal(await again.stop(), 0)
})

test('a cache full of what is not closed yet', { timeout: 120_000 }, async (t) => {
  using home = new ClientHome()
  const flags = ['-chunk-size', '1', '-nvme-capacity', '16M']
  const client = await ClientProcess.start(home, { flags })
  const [old, fresh] = [join(home.mount, 'old'), join(home.mount, 'fresh')]
  const data = new Random(5).bytes(4 * MIB)
  writeFileSync(old, data)
  await client.act('wait', '/')
  await client.act('evict', '/')
  const filling = await open(fresh, 'w')
  await filling.write(new Random(6).bytes(15.5 * MIB))
  await t.test('a write that needs two chunks of the cloud', async () => {
    await using handle = await open(old, 'r+')
    data.fill(7, MIB / 2, (3 * MIB) / 2)
    await handle.write(data, MIB / 2, MIB, MIB / 2)
  })
  await t.test('a read that needs two others', async () => {
    await filling.write(new Random(8).bytes(MIB), 0, MIB, 0)
    await using handle = await open(old)
    const part = Buffer.alloc(MIB)
    await handle.read(part, 0, MIB, (5 * MIB) / 2)
    assert.deepEqual(part, data.subarray((5 * MIB) / 2, (7 * MIB) / 2))
  })
  await filling.close()
  assert.equal(await checksum(old), createHash('sha256').update(data).digest('hex'))
  assert.equal(await client.stop(), 0)
})

test('a disk that fills up', { timeout: 180_000 }, async (t) => {
  using home = new ClientHome()
  using disk = SmallDisk.mount(home, 64)
  if (disk === undefined) {
    t.diagnostic('this machine mounts no loop devices: not tried')
    return
  }
  mkdirSync(join(home.nvme, 'n'))
  const flags = ['-nvme', join(home.nvme, 'n'), '-chunk-size', '1', '-nvme-capacity', '1G']
  const client = await ClientProcess.start(home, { flags })
  const source = makeSource(home, 96)
  const path = (name: string): string => join(home.mount, name)
  assert.equal(await new BlockingWriter(source, path('first'), 96).result(), '')
  assert.equal(await checksum(path('first')), await checksum(source), 'larger than the disk')

  await client.act('wait', '/')
  renameSync(home.cloud, `${home.cloud}-away`)
  writeFileSync(path('small'), 'written while the cloud is away')
  const refused = await new BlockingWriter(source, path('second'), 96).result()
  assert.match(refused, /No space left on device/)

  renameSync(`${home.cloud}-away`, home.cloud)
  assert.equal(await new BlockingWriter(source, path('third'), 96).result(), '')
  await client.act('wait', '/')
  await client.act('evict', '/')
  assert.equal(await checksum(path('first')), await checksum(source))
  assert.equal(await checksum(path('third')), await checksum(source))
  assert.equal(
    spawnSync('cat', [path('small')])
      .stdout.toString()
      .slice(0, 7),
    'written',
  )
  assert.equal(await client.stop(), 0)
})

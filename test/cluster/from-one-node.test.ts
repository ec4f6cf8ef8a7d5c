/**
 * Conversion of a single-node volume to a coordinator, as described in docs/OPERATIONS.md: its
 * metadata is one file. No data is lost, durable or pending.
 */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { CoordinatorProcess } from '../fixtures/coordinator-process.ts'
import { Random } from '../fixtures/random.ts'

test('a single-node volume becomes a node of a cluster', { timeout: 120_000 }, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  using home = new ClientHome()
  using other = new ClientHome()
  const files = new Map<string, Buffer>()
  const write = (name: string, size: number): void => {
    const data = random.bytes(size)
    writeFileSync(join(home.mount, 'kept', name), data)
    files.set(name, data)
  }
  const alone = await ClientProcess.start(home)
  mkdirSync(join(home.mount, 'kept'))
  write('durable', 9_000_000)
  for (let at = 0; at < 40; at++) write(`f${at}`, random.below(100_000))
  await alone.act('wait', '/')
  write('late', 5_000_000)
  // Killed: the upload of the last file is left to the next start.
  await alone.kill()
  // After a clean stop its metadata is in one file.
  assert.equal(await (await ClientProcess.start(home)).stop(), 0)
  assert.deepEqual(
    readdirSync(home.nvme).filter((name) => name.startsWith('volume.db')),
    ['volume.db'],
  )

  const data = join(home.directory, 'coordinator')
  mkdirSync(data)
  copyFileSync(join(home.nvme, 'volume.db'), join(data, 'volume.db'))
  const coordinator = new CoordinatorProcess(['-data', data])
  await coordinator.start()
  const flags = ['-coordinator', coordinator.address, '-cloud-dir', home.cloud]
  const first = await ClientProcess.start(home, { flags: [...flags, '-peer-id', 'first'] })
  const second = await ClientProcess.start(other, { flags: [...flags, '-peer-id', 'second'] })
  await first.act('wait', '/')
  await first.act('evict', '/')
  for (const mount of [other.mount, home.mount]) {
    assert.deepEqual(readdirSync(join(mount, 'kept')).sort(), [...files.keys()].sort())
    for (const [name, wanted] of files) {
      assert.ok(readFileSync(join(mount, 'kept', name)).equals(wanted), `${name} at ${mount}`)
    }
  }
  writeFileSync(join(other.mount, 'kept/new'), 'from the second')
  assert.equal(readFileSync(join(home.mount, 'kept/new'), 'utf8'), 'from the second')
  assert.deepEqual([await first.stop(), await second.stop()], [0, 0])
  await coordinator.kill('SIGTERM')
})

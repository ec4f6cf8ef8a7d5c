/**
 * A crash of the machine: bytes in the disk's write cache are lost although the database lists them
 * as present. Simulated by another boot id in the database and other bytes in backing files.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Random } from '../fixtures/random.ts'

function zeroBackingFiles(nvme: string): number {
  const data = join(nvme, 'data')
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' })
    .map((name) => join(data, name))
    // A preallocated file may be incomplete.
    .filter((path) => statSync(path).isFile() && !path.endsWith('/new'))
  for (const path of files) writeFileSync(path, Buffer.alloc(statSync(path).size))
  return files.length
}

test('clean chunks that the disk lost come from the cloud again', async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  using home = new ClientHome()
  const first = await ClientProcess.start(home, { flags: ['-chunk-size', '1'] })
  const contents = new Map([3_000_000, 10, 70_000].map((size) => [`f${size}`, random.bytes(size)]))
  for (const [name, content] of contents) writeFileSync(join(home.mount, name), content)
  await first.act('wait', '/')
  await first.kill()
  assert.equal(zeroBackingFiles(home.nvme), contents.size)
  const database = new DatabaseSync(join(home.nvme, 'node.db'))
  database.exec("UPDATE setting SET value = 'another' WHERE name = 'boot'")
  database.close()
  const second = await ClientProcess.start(home)
  for (const [name, content] of contents) {
    assert.ok(readFileSync(join(home.mount, name)).equals(content), name)
  }
  assert.equal(await second.stop(), 0)
})

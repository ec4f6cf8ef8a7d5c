/**
 * Space reserved with fallocate(2) counts against the capacity of the cache until it is released.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { close, fallocate, open } from '../conformance/system-calls.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'

const MIB = 1024 * 1024
const CREATE_TO_WRITE = 0o101
const FALLOC_KEEP_SIZE = 1

/** Returns the name of the errno, or `ok`. */
function reserve(path: string, bytes: number): string {
  const fd = open(path, CREATE_TO_WRITE, 0o644)
  try {
    fallocate(fd, 0, 0, bytes)
    return 'ok'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  } finally {
    close(fd)
  }
}

test('reservations count against the capacity, also after a crash', async () => {
  using home = new ClientHome()
  const flags = ['-nvme-capacity', '0.1', '-passthrough', 'off']
  const first = await ClientProcess.start(home, { flags })
  const path = (name: string): string => join(home.mount, name)
  assert.equal(reserve(path('larger'), 200 * MIB), 'ENOSPC')
  assert.equal(reserve(path('one'), 60 * MIB), 'ok')
  assert.equal(statSync(path('one')).blocks, (60 * MIB) / 512)
  assert.equal(reserve(path('two'), 60 * MIB), 'ENOSPC')
  await first.kill()
  const second = await ClientProcess.start(home, { flags })
  assert.equal(statSync(path('one')).blocks, (60 * MIB) / 512)
  assert.equal(reserve(path('two'), 60 * MIB), 'ENOSPC')
  truncateSync(path('one'), 0)
  assert.equal(reserve(path('two'), 60 * MIB), 'ok')
  rmSync(path('two'))
  assert.equal(reserve(path('three'), 60 * MIB), 'ok')
  assert.equal(await second.stop(), 0)
})

test('places reserved beyond the end are not taken for chunks of the content', async () => {
  using home = new ClientHome()
  const node = await ClientProcess.start(home, { flags: ['-chunk-size', '1'] })
  for (const [chunks, reserved] of [
    [1, 1],
    [2, 1],
    [3, 3],
  ] as const) {
    const path = join(home.mount, `${chunks} and ${reserved}`)
    const content = randomBytes(chunks * MIB - 100)
    writeFileSync(path, content)
    const fd = open(path, 1, 0)
    fallocate(fd, FALLOC_KEEP_SIZE, 0, (chunks + reserved) * MIB)
    close(fd)
    await node.act('wait', `/${chunks} and ${reserved}`)
    await node.act('evict', `/${chunks} and ${reserved}`)
    assert.ok(readFileSync(path).equals(content), path)
  }
  assert.equal(await node.stop(), 0)
})

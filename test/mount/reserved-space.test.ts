/** What fallocate(2) reserves counts against the capacity of the cache, until it is given back. */
import assert from 'node:assert/strict'
import { rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { close, fallocate, open } from '../conformance/system-calls.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'

const MIB = 1024 * 1024
const CREATE_TO_WRITE = 0o101

/** The errno's name, or `ok`. */
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

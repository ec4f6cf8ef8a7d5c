/**
 * A file is read while it is written, for each pair of ways to read and write: no reader sees bytes
 * that nobody wrote below the size that it sees. The cases run on a plain disk first, which
 * validates them. CACHEFS_ROUNDS sets the number of rounds.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { pairsWithout, wrongPairs } from '../fixtures/reader-writer.ts'
import { withFuse } from './fuse-scratch.ts'

const options = { ...withFuse, timeout: 600_000 }

test('readers on a plain disk see only what was written', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cachefs-pairs-'))
  try {
    const cases = pairsWithout('api')
    assert.deepEqual(await wrongPairs(cases, { write: folder, read: folder, rounds: 40 }), [])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

for (const passthrough of ['off', 'always']) {
  test(`readers see only what was written, passthrough ${passthrough}`, options, async () => {
    using home = new ClientHome()
    const flags = ['-passthrough', passthrough]
    const client = await ClientProcess.start(home, { flags })
    try {
      const { mount } = home
      const environment = { API_URL: client.api, API_KEY: client.key }
      const folders = { write: mount, read: mount, rounds: 60, environment }
      assert.deepEqual(await wrongPairs(pairsWithout(), folders), [])
    } finally {
      await client.stop()
    }
  })
}

/**
 * Many programs that write concurrently through `cachefs mount`: every file has the bytes of its
 * own writer, at the mount and at the remote. CACHEFS_SEED repeats the contents.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Random } from '../fixtures/random.ts'
import { RemoteHome, digests } from '../fixtures/mounted-remote.ts'
import { withFuse } from './fuse-scratch.ts'

const run = promisify(execFile)
const WRITER = new URL('../fixtures/checksum-writer.ts', import.meta.url).pathname
const WRITERS = 8
const FILES = 40
const options = { ...withFuse, timeout: 240_000 }

test('a file holds what its writer wrote, however many write at once', options, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  using home = new RemoteHome()
  const flags = ['--remote', home.remoteUrl]
  const mounted = await home.start(flags)
  mkdirSync(join(home.mount, 'all'))
  const writers = Array.from({ length: WRITERS }, async (_, n) => {
    const folder = join(home.mount, 'all', `writer-${n}`)
    const args = [WRITER, folder, String(random.below(2 ** 31)), String(FILES)]
    return (await run(process.execPath, args)).stdout
  })
  const lines = (await Promise.all(writers)).flatMap((text) => text.trim().split('\n'))
  const expected = Object.fromEntries(
    lines
      .map((line) => line.split(' ') as [string, string])
      .map(([path, digest]) => [relative(home.mount, path), digest] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
  assert.equal(Object.keys(expected).length, WRITERS * FILES)
  assert.deepEqual(digests(home.mount), expected, 'at the mount')
  assert.equal(await mounted.stop(), 0, mounted.stderr)
  assert.deepEqual(digests(home.remote), expected, 'at the remote')
})

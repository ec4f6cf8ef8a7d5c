/**
 * A cache whose disk is smaller than what is read: on a real file system that is full. Readers make
 * room for themselves, a writer is told, and all goes on when there is room again.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { LocalFS } from '../../src/filesystem/local/local-fs.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { withFuse } from './fuse-scratch.ts'

const MIB = 1024 * 1024

test('a local side that is full', withFuse, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cachefs-full-'))
  const place = join(folder, 'disk')
  mkdirSync(place)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'cachefs-test', place])
  try {
    const remote = new MemoryFS()
    const contents = Array.from({ length: 6 }, (_, i) => Buffer.alloc(3 * MIB, i))
    for (const [i, content] of contents.entries()) await remote.writeFile(`/f${i}`, content)
    const files = await CacheFS.open(new LocalFS(place), remote, { journal: true })
    for (const [i, content] of contents.entries()) {
      assert.ok((await files.readFile(`/f${i}`)).equals(content), `file ${i}`)
    }
    assert.ok(files.counters.evictions > 0)
    await assert.rejects(files.writeFile('/large', Buffer.alloc(9 * MIB)), { code: 'ENOSPC' })
    await files.unlink('/large')
    await files.clear()
    await files.writeFile('/small', 'there is room again')
    await files.close()
    assert.equal(await remote.readFile('/small', 'utf8'), 'there is room again')
    assert.deepEqual(files.errors(), [])
  } finally {
    execFileSync('umount', ['-l', place])
    rmSync(folder, { recursive: true })
  }
})

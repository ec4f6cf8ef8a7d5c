/**
 * A cache whose disk is smaller than the data that is read, on a real full file system. Readers
 * make room by eviction, a writer gets an error, and everything works again once there is room.
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
import { eventually } from '../fixtures/eventually.ts'
import { down, faultyFS } from '../fixtures/faulty-fs.ts'
import { Random } from '../fixtures/random.ts'
import { withFuse } from './fuse-scratch.ts'

const MIB = 1024 * 1024

/** Runs `work` on a disk of 8 MiB. */
async function onSmallDisk(work: (place: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cachefs-full-'))
  const place = join(folder, 'disk')
  mkdirSync(place)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'cachefs-test', place])
  try {
    await work(place)
  } finally {
    execFileSync('umount', ['-l', place])
    rmSync(folder, { recursive: true })
  }
}

test('a local side that is full', withFuse, async () => {
  await onSmallDisk(async (place) => {
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
  })
})

test('a write that finds the disk full leaves what is said to be there', withFuse, async () => {
  await onSmallDisk(async (place) => {
    const remote = new MemoryFS()
    await remote.writeFile('/cached', Buffer.alloc(3 * MIB, 'c'))
    const files = await CacheFS.open(new LocalFS(place), remote, { journal: true })
    await files.readFile('/cached')
    const data = new Random(5).bytes(12 * MIB)
    let written = 0
    {
      await using handle = await files.open('/grows', 'w')
      const fill = async (): Promise<void> => {
        for (; written < data.length; written += MIB) await handle.write(data, written, MIB)
      }
      await assert.rejects(fill, { code: 'ENOSPC' })
      assert.ok(written >= 6 * MIB, `${written}: what can be fetched again made room`)
      assert.equal((await handle.stat()).size, written)
    }
    await files.wait()
    assert.equal((await files.stat('/grows')).size, written)
    for (const side of [files, remote]) {
      assert.ok((await side.readFile('/grows')).equals(data.subarray(0, written)))
    }
    await files.close()
  })
})

test('a file that is larger than the local side is read all the same', withFuse, async () => {
  await onSmallDisk(async (place) => {
    const remote = new MemoryFS()
    const data = new Random(6).bytes(20 * MIB + 17)
    await remote.writeFile('/large', data)
    const files = await CacheFS.open(new LocalFS(place), remote)
    for (let round = 0; round < 2; round++) {
      assert.ok((await files.readFile('/large')).equals(data), `round ${round}`)
    }
    await using handle = await files.open('/large')
    const random = new Random(7)
    for (let read = 0; read < 50; read++) {
      const at = random.below(data.length)
      const part = Buffer.alloc(1 + random.below(300_000))
      const { bytesRead } = await handle.read(part, 0, part.length, at)
      assert.ok(part.subarray(0, bytesRead).equals(data.subarray(at, at + part.length)), `${at}`)
    }
    await handle.close()
    await files.close()
  })
})

test(
  'a writer waits for what is being sent, and not for a remote that is away',
  withFuse,
  async () => {
    await onSmallDisk(async (place) => {
      const behind = new MemoryFS()
      const remote = faultyFS(behind)
      const gate = Promise.withResolvers<undefined>()
      remote.fault = (call) => (call === 'replace' ? gate.promise : undefined)
      const options = { journal: true, attempts: 2, retryBaseMs: 1, retryMaxMs: 5 }
      const files = await CacheFS.open(new LocalFS(place), remote.files, options)
      const data = new Random(8).bytes(5 * MIB)
      await files.writeFile('/first', data)
      const second = files.writeFile('/second', data)
      await eventually('it is being sent', () => remote.calls.includes('replace /first'))
      gate.resolve(undefined)
      await second
      await files.wait()
      remote.fault = down
      await files.writeFile('/third', data)
      await assert.rejects(files.writeFile('/fourth', data), { code: 'ENOSPC' })
      remote.fault = () => undefined
      files.retry()
      await files.close()
      for (const name of ['first', 'second', 'third']) {
        assert.ok((await behind.readFile(`/${name}`)).equals(data), name)
      }
    })
  },
)

/** Names in the journal: after a restart, a cache serves them without the remote. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { down, faultyFS } from '../fixtures/faulty-fs.ts'

/** Local and remote side that outlive their caches. */
class Sides {
  readonly local = new MemoryFS()
  readonly remote = new MemoryFS()
  isAway = false
  nowMs = Date.now()

  async open(): Promise<CacheFS> {
    const faulty = faultyFS(this.remote)
    faulty.fault = () => (this.isAway ? down() : undefined)
    const options = { journal: true, now: () => this.nowMs, retryBaseMs: 10, retryMaxMs: 20 }
    return await CacheFS.open(this.local, faulty.files, options)
  }

  static async make(): Promise<Sides> {
    const sides = new Sides()
    await sides.remote.mkdir('/folder/inner', { recursive: true })
    await sides.remote.writeFile('/folder/file', 'content')
    await sides.remote.symlink('file', '/folder/link')
    return sides
  }
}

describe('names after a restart', () => {
  test('listings and attributes are served while the remote is unreachable', async () => {
    const sides = await Sides.make()
    {
      await using files = await sides.open()
      assert.deepEqual((await files.readdir('/folder')).sort(), ['file', 'inner', 'link'])
      await files.readFile('/folder/link', 'utf8')
      await files.lstat('/folder/inner')
      await files.mkdir('/made')
      await files.writeFile('/made/new', 'new')
      await files.readdir('/')
      await files.wait()
      await files.unlink('/folder/file')
    }
    sides.isAway = true
    await using files = await sides.open()
    assert.deepEqual((await files.readdir('/')).sort(), ['folder', 'made'])
    assert.deepEqual((await files.readdir('/folder')).sort(), ['inner', 'link'])
    assert.equal(await files.readlink('/folder/link'), 'file')
    assert.ok((await files.lstat('/folder/inner')).isDirectory())
    assert.equal(await files.readFile('/made/new', 'utf8'), 'new')
    assert.equal(files.counters.misses, 0)
  })

  test('they are valid until the ttl has passed', async () => {
    const sides = await Sides.make()
    {
      await using files = await sides.open()
      await files.readdir('/')
    }
    sides.nowMs += 3_600_001
    sides.isAway = true
    await using files = await sides.open()
    await assert.rejects(files.readdir('/'), { code: 'EIO' })
  })

  for (const how of ['invalidate', 'clear'] as const) {
    test(`entries removed by ${how} stay removed`, async () => {
      const sides = await Sides.make()
      {
        await using files = await sides.open()
        await files.readdir('/folder')
        await files.wait()
        if (how === 'invalidate') files.invalidate('/')
        else await files.clear()
      }
      await sides.remote.writeFile('/folder/other', 'put there meanwhile')
      await using files = await sides.open()
      const names = (await files.readdir('/folder')).sort()
      assert.deepEqual(names, ['file', 'inner', 'link', 'other'])
    })
  }

  test('a file that replaces a directory removes the entries below it', async () => {
    const sides = await Sides.make()
    {
      await using files = await sides.open()
      await files.readdir('/folder')
      await sides.remote.rm('/folder', { recursive: true })
      await sides.remote.writeFile('/folder', 'a file now')
      files.invalidate('/')
      assert.equal(await files.readFile('/folder', 'utf8'), 'a file now')
    }
    sides.isAway = true
    await using files = await sides.open()
    assert.equal(await files.readFile('/folder', 'utf8'), 'a file now')
  })
})

/** What a journal remembers of names: a cache that was closed answers without the remote again. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { SubFS } from '../../src/filesystem/sub-fs.ts'

/** Two sides that outlive their caches; the remote is away while it is asked for at no place. */
class Sides {
  readonly local = new MemoryFS()
  readonly whole = new MemoryFS()
  nowMs = Date.now()

  async open(isAway = false): Promise<CacheFS> {
    const remote = new SubFS(this.whole, isAway ? '/away' : '/here')
    return await CacheFS.open(this.local, remote, { journal: true, now: () => this.nowMs })
  }

  static async make(): Promise<Sides> {
    const sides = new Sides()
    await sides.whole.mkdir('/here/folder/inner', { recursive: true })
    await sides.whole.writeFile('/here/folder/file', 'content')
    await sides.whole.symlink('file', '/here/folder/link')
    return sides
  }
}

describe('names after a restart', () => {
  test('what was listed and looked at is known, with the remote away', async () => {
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
    await using files = await sides.open(true)
    assert.deepEqual((await files.readdir('/')).sort(), ['folder', 'made'])
    assert.deepEqual((await files.readdir('/folder')).sort(), ['inner', 'link'])
    assert.equal(await files.readlink('/folder/link'), 'file')
    assert.ok((await files.lstat('/folder/inner')).isDirectory())
    assert.equal(await files.readFile('/made/new', 'utf8'), 'new')
    assert.equal(files.counters.misses, 0)
  })

  test('until the ttl is over', async () => {
    const sides = await Sides.make()
    {
      await using files = await sides.open()
      await files.readdir('/')
    }
    sides.nowMs += 3_600_001
    await using files = await sides.open(true)
    await assert.rejects(files.readdir('/'), { code: 'ENOENT' })
  })

  for (const how of ['invalidate', 'clear'] as const) {
    test(`what was forgotten by ${how} stays forgotten`, async () => {
      const sides = await Sides.make()
      {
        await using files = await sides.open()
        await files.readdir('/folder')
        await files.wait()
        if (how === 'invalidate') files.invalidate('/')
        else await files.clear()
      }
      await sides.whole.writeFile('/here/folder/other', 'put there meanwhile')
      await using files = await sides.open()
      const names = (await files.readdir('/folder')).sort()
      assert.deepEqual(names, ['file', 'inner', 'link', 'other'])
    })
  }

  test('a file in the place of a directory takes what was below it away', async () => {
    const sides = await Sides.make()
    {
      await using files = await sides.open()
      await files.readdir('/folder')
      await sides.whole.rm('/here/folder', { recursive: true })
      await sides.whole.writeFile('/here/folder', 'a file now')
      files.invalidate('/')
      assert.equal(await files.readFile('/folder', 'utf8'), 'a file now')
    }
    await using files = await sides.open(true)
    assert.equal(await files.readFile('/folder', 'utf8'), 'a file now')
  })
})

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { volumePath } from './volume-path.ts'

test('a path under the mount point, or else in the volume', async () => {
  assert.equal(await volumePath('/mnt/data', '/mnt/data'), '/')
  assert.equal(await volumePath('/mnt/data/a/b', '/mnt/data'), '/a/b')
  assert.equal(await volumePath('/mnt/data/a/../c/', '/mnt/data'), '/c')
  assert.equal(await volumePath('/mnt/database/x', '/mnt/data'), '/mnt/database/x')
  assert.equal(await volumePath('/a/./b/', '/mnt/data'), '/a/b')
  assert.equal(await volumePath('a/b', '/mnt/data'), '/a/b')
  assert.equal(await volumePath('../../..', '/mnt/data'), '/')
})

test('through links on the way to the mount point, but not the last one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cachefs-path-'))
  try {
    await mkdir(join(folder, 'real/mount'), { recursive: true })
    await symlink('real', join(folder, 'link'))
    await symlink('elsewhere', join(folder, 'real/mount/file'))
    const given = join(folder, 'link/mount/file')
    assert.equal(await volumePath(given, join(folder, 'real/mount')), '/file')
    assert.equal(await volumePath(join(folder, 'real/mount/x'), join(folder, 'link/mount')), '/x')
  } finally {
    await rm(folder, { recursive: true })
  }
})

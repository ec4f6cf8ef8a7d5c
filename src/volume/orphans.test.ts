import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LocalVolume } from '../../test/fixtures/local-volume.ts'
import { loggerOf } from '../base/log/logger.ts'
import { O_CREAT, O_RDWR } from '../base/open-bits.ts'
import { GroupCommit } from '../cache/write/group-commit.ts'

const ROOT = 1
const USER = { uid: 1000, gid: 1000, pid: 1 }
const NAME = Buffer.from('file')
const MODES = { append: false, killSetId: false, writeback: false }

/** A file that was written and removed while nobody had it open. */
function removed({ thread: { volume } }: LocalVolume): number {
  const { attributes, opened } = volume.create(USER, ROOT, NAME, 0o644, O_CREAT | O_RDWR)
  const { ino } = attributes
  volume.write(USER, ino, opened.handle, 0, Buffer.from('content'), MODES)
  volume.release(USER, ino, opened.handle)
  volume.unlink(USER, ROOT, NAME)
  return ino
}

async function withVolume(
  run: (local: LocalVolume, deleteRemoved: () => void) => void,
): Promise<void> {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-orphans-'))
  using local = await LocalVolume.open(directory.path)
  const { cache, committer } = local.thread
  const group = new GroupCommit(cache, committer, loggerOf('CACHE'))
  run(local, () => {
    group.expedite()
  })
}

test('a file that was looked up before it was removed can be opened, and is deleted', async () => {
  await withVolume((local, deleteRemoved) => {
    const ino = removed(local)
    const { volume, cache } = local.thread
    const { handle } = volume.open(USER, ino, 0, false)
    deleteRemoved()
    const seen = Buffer.alloc(100)
    assert.equal(volume.read(USER, ino, handle, 0, seen), 7)
    volume.release(USER, ino, handle)
    assert.ok(cache.index.exists(ino), 'another open may follow until the kernel forgets the inode')
    volume.forget([[ino, 1]])
    deleteRemoved()
    assert.equal(cache.index.exists(ino), false)
    assert.equal(cache.shared.mayBeOpen(ino), false)
  })
})

test('it is deleted after a use by this process too', async () => {
  await withVolume((local, deleteRemoved) => {
    const ino = removed(local)
    const { volume, cache } = local.thread
    volume.names.use(ino)
    deleteRemoved()
    volume.names.release(ino, { by: 'here' })
    deleteRemoved()
    assert.equal(cache.index.exists(ino), false)
  })
})

test('its size cannot be changed once nobody has it open', async () => {
  await withVolume((local, deleteRemoved) => {
    const ino = removed(local)
    const { volume, cache } = local.thread
    assert.throws(() => volume.setattr(USER, ino, { size: 3, killSetId: false }), {
      code: 'ESTALE',
    })
    deleteRemoved()
    assert.equal(cache.index.exists(ino), false)
  })
})

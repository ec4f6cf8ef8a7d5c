import assert from 'node:assert/strict'
import { appendFileSync, mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LocalVolume } from '../../../test/fixtures/local-volume.ts'
import { O_CREAT, O_WRONLY } from '../../base/open-bits.ts'

const CALLER = { uid: 0, gid: 0, pid: 1 }
const SETTINGS = { capacityBytes: 2 ** 42, freeFloorBytes: -(2 ** 42) }

test('a file that the kernel extends while it is measured has lost nothing', async () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-growing-'))
  const mount = { connection: -1, id: 'growing', isResumed: false }
  using local = await LocalVolume.open(directory.path, mount, SETTINGS)
  const { volume, cache, committer } = local.thread
  cache.shared.passthrough = true
  cache.backings.open = () => 1
  cache.backings.close = () => undefined
  const made = volume.create(CALLER, 1, Buffer.from('log'), 0o644, O_CREAT | O_WRONLY)
  const { ino } = made.attributes
  assert.equal(made.opened.backing, 1)
  appendFileSync(cache.files.path(ino), 'line\n')
  const stat = cache.files.stat.bind(cache.files)
  cache.files.stat = (which) => {
    const found = stat(which)
    appendFileSync(cache.files.path(ino), 'line\n')
    return found
  }
  committer.commit(ino)
  assert.deepEqual(cache.lostTable.of(ino), [])
  assert.ok(cache.index.file(ino).size > 0)
})

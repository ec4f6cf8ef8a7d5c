/**
 * open(2) with O_CREAT of a name that is absent in the kernel's cache but exists, since another
 * node created it. The existing file is opened if its mode alone grants its owner the access.
 */
import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as bits from '../../src/base/open-bits.ts'
import type { MetadataEngine } from '../../src/metadata/metadata-engine.ts'
import type { Volume } from '../../src/volume/volume.ts'
import { LocalVolume } from '../fixtures/local-volume.ts'

const ROOT = 1
const OWNER = { uid: 1000, gid: 1000, pid: 1 }
const OTHER = { uid: 1001, gid: 1000, pid: 1 }
const NAME = Buffer.from('file')
const CONTENT = Buffer.from('what the faster one wrote')
const NO_BITS = { append: false, killSetId: false, writeback: false }
const { O_CREAT, O_EXCL, O_TRUNC, O_RDWR, O_WRONLY } = bits

async function withFile(
  mode: number,
  run: (volume: Volume, ino: number, engine: MetadataEngine) => void,
): Promise<void> {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-created-'))
  using local = await LocalVolume.open(directory.path)
  const { volume, engine } = local.thread
  const { attributes, opened } = volume.create(OWNER, ROOT, NAME, mode, O_CREAT | O_RDWR)
  volume.write(OWNER, attributes.ino, opened.handle, 0, CONTENT, NO_BITS)
  volume.release(OWNER, attributes.ino, opened.handle)
  run(volume, attributes.ino, engine)
}

test('its owner has it open, with its bytes', async () => {
  await withFile(0o600, (volume, ino, engine) => {
    const { attributes, opened } = volume.create(OWNER, ROOT, NAME, 0o644, O_CREAT | O_RDWR)
    assert.equal(attributes.ino, ino)
    assert.equal(attributes.mode & 0o777, 0o600)
    assert.equal(attributes.size, CONTENT.length)
    const seen = Buffer.alloc(100)
    const count = volume.read(OWNER, ino, opened.handle, 0, seen)
    assert.ok(seen.subarray(0, count).equals(CONTENT))
    volume.unlink(OWNER, ROOT, NAME)
    assert.equal(volume.read(OWNER, ino, opened.handle, 0, seen), CONTENT.length)
    volume.release(OWNER, ino, opened.handle)
    assert.equal(volume.getattr(OWNER, ino).nlink, 0)
    // group-commit.ts then purges the inode.
    engine.write('purgeOrphans', [ino])
    assert.throws(() => volume.getattr(OWNER, ino), { code: 'ESTALE' })
  })
})

test('it is emptied where that was asked for, and loses its set-user-id bit', async () => {
  await withFile(0o4755, (volume, ino) => {
    const found = volume.create(OWNER, ROOT, NAME, 0o644, O_CREAT | O_WRONLY | O_TRUNC)
    assert.deepEqual([found.attributes.ino, found.attributes.size], [ino, 0])
    assert.equal(found.attributes.mode & 0o7777, 0o755)
    volume.release(OWNER, ino, found.opened.handle)
    assert.equal(volume.getattr(OWNER, ino).size, 0)
  })
})

test('who may not, or maybe may by other rules than its bits, has the kernel decide', async () => {
  const asked: [typeof OWNER, mode: number, flags: number][] = [
    [OTHER, 0o666, O_RDWR],
    [{ ...OTHER, uid: 0 }, 0o666, O_RDWR],
    [OWNER, 0o400, O_WRONLY],
    [OWNER, 0o400, O_RDWR],
    [OWNER, 0o200, O_RDWR],
    [OWNER, 0o200, 0],
    [OWNER, 0o400, O_TRUNC],
    [OWNER, 0o066, 0],
  ]
  for (const [caller, mode, flags] of asked) {
    await withFile(mode, (volume, ino) => {
      const open = (): unknown => volume.create(caller, ROOT, NAME, 0o644, O_CREAT | flags)
      assert.throws(open, { code: 'ESTALE' }, `${caller.uid} ${mode} ${flags}`)
      assert.equal(volume.getattr(OWNER, ino).size, CONTENT.length)
    })
  }
})

test('O_EXCL and other kinds of file are refused as ever', async () => {
  await withFile(0o600, (volume) => {
    const exclusive = (): unknown => volume.create(OWNER, ROOT, NAME, 0o644, O_CREAT | O_EXCL)
    assert.throws(exclusive, { code: 'EEXIST' })
    volume.mkdir(OWNER, ROOT, Buffer.from('directory'), 0o755)
    volume.symlink(OWNER, ROOT, Buffer.from('link'), NAME)
    for (const name of ['directory', 'link']) {
      const open = (): unknown => volume.create(OWNER, ROOT, Buffer.from(name), 0o644, O_CREAT)
      assert.throws(open, { code: 'ESTALE' }, name)
    }
  })
})

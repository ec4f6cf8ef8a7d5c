/**
 * Space for passthrough writes, which cannot be made to wait: there is no passthrough when space is
 * scarce, and if space runs out meanwhile no written data is lost.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FileScene, SceneNode, random } from '../fixtures/file-scene.ts'
import { SmallDisk } from '../fixtures/small-disk.ts'
import { withFuse } from './fuse-scratch.ts'

const MIB = 1024 * 1024

test('a cache that is small is not written past the daemon', withFuse, async () => {
  await using node = await SceneNode.start('auto', ['-nvme-capacity', '1'])
  using scene = await node.open()
  const { passedOpens } = await scene.stats()
  assert.equal(passedOpens, 0)
  scene.check()
})

/** Fills the disk of a folder except for `leaving` bytes; returns the filler file. */
function fillDisk(folder: string, leaving: number): string {
  const { bfree, bsize } = fs.statfsSync(folder)
  const path = join(folder, 'filler')
  const size = String(bfree * bsize - leaving)
  const { status, stderr } = spawnSync('fallocate', ['-l', size, path], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return path
}

test('the disk fills up in the middle', { ...withFuse, timeout: 120_000 }, async () => {
  await using node = new SceneNode('auto')
  const { home } = node
  using disk = SmallDisk.mount(home, 7 * 1024)
  assert.ok(disk, 'this test needs a loop device')
  const nvme = join(home.nvme, 'n')
  fs.mkdirSync(nvme)
  await node.start(['-nvme', nvme])
  using scene = new FileScene(node, 'file')
  const fd = fs.openSync(scene.path, 'w')
  const filler = fillDisk(home.nvme, 40 * MIB)
  const written: Buffer[] = []
  const writeAll = (): void => {
    for (let count = 0; count < 100; count++) {
      const block = random.bytes(MIB)
      const length = fs.writeSync(fd, block)
      written.push(block.subarray(0, length))
    }
  }
  assert.throws(writeAll, { code: 'ENOSPC' })
  assert.ok(written.length >= 10)
  scene.content = Buffer.concat(written)
  fs.closeSync(fd)
  const { passedOpens } = await scene.stats()
  assert.ok(passedOpens! > 0, 'the kernel wrote it')
  scene.check()
  fs.unlinkSync(filler)
  fs.writeFileSync(`${scene.path}-2`, 'there is room again')
  await scene.checkCloud()
  await scene.client.kill()
  await node.start(['-nvme', nvme])
  await scene.checkCloud()
  assert.equal(await scene.client.stop(), 0)
})

/**
 * Passthrough reads: the same bytes as through the daemon, with any concurrent use of the file.
 * Every test runs with and without passthrough, and asserts whether the daemon got read requests,
 * so that none passes by testing the other setup.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { eventually } from '../fixtures/eventually.ts'
import { CHUNK, SIZE, SceneNode, put, random, sha } from '../fixtures/file-scene.ts'
import type { FileScene } from '../fixtures/file-scene.ts'
import { MappedFile } from '../fixtures/mapped-file.ts'
import { killDaemon } from '../fixtures/steady-programs.ts'
import { withFuse } from './fuse-scratch.ts'

const SETUPS = ['auto', 'off'] as const

for (const setup of SETUPS) {
  suite(`passthrough ${setup}`, { ...withFuse, timeout: 240_000 }, () => {
    let node: SceneNode
    before(async () => {
      node = await SceneNode.start(setup)
    })
    after(() => node[Symbol.asyncDispose]())

    test('reads of a cached file ask the daemon for nothing', async () => {
      using scene = await node.open()
      scene.check()
      fs.writeFileSync('/proc/sys/vm/drop_caches', '1')
      scene.check()
      await using mapped = await MappedFile.open(scene.path, SIZE, 'r')
      assert.equal(await mapped.digest(), sha(scene.content))
      await mapped.unmap()
      const { passedOpens, hits } = await scene.stats()
      assert.equal(passedOpens! > scene.opensBefore, scene.isPassed)
      assert.equal(hits === scene.hitsBefore, scene.isPassed, 'chunks that the daemon read')
    })

    test('opens in every order of modes see what each of them writes', async () => {
      using scene = await node.open()
      const modes = ['r', 'r+', 'a', 'w'] as const
      for (let round = 0; round < 40; round++) {
        const first = round % 2 === 0 ? 'r' : modes[random.below(3)]!
        const order = [first, ...Array.from({ length: 3 }, () => modes[random.below(3)]!)]
        const open = order.map((mode) => ({ mode, fd: openAs(scene.path, mode) }))
        for (const { mode, fd } of open) {
          if (mode === 'a') put(scene, fd, scene.content.length, 1 + random.below(3000))
          else if (mode === 'r+') put(scene, fd, random.below(SIZE), 1 + random.below(2 * CHUNK))
          scene.check(open.find((one) => one.mode !== 'a')?.fd)
        }
        for (const { fd } of open) fs.closeSync(fd)
        scene.check()
      }
      await scene.checkCloud()
    })

    test('truncated, replaced and extended while open', async () => {
      using scene = await node.open()
      const fd = fs.openSync(scene.path, 'r')
      scene.check(fd)
      fs.truncateSync(scene.path, 3 * CHUNK + 5)
      scene.content = scene.content.subarray(0, 3 * CHUNK + 5)
      scene.check(fd)
      fs.truncateSync(scene.path, 9 * CHUNK)
      scene.content = Buffer.concat([scene.content, Buffer.alloc(6 * CHUNK - 5)])
      scene.check(fd)
      scene.content = random.bytes(SIZE)
      fs.writeFileSync(scene.path, scene.content)
      scene.check(fd)
      fs.appendFileSync(scene.path, 'more')
      scene.content = Buffer.concat([scene.content, Buffer.from('more')])
      scene.check(fd)
      const data = spawnSync('python3', ['-c', HOLES, scene.path], { encoding: 'utf8' })
      assert.equal(data.stdout.trim(), `0 ${scene.content.length}`, data.stderr)
      fs.closeSync(fd)
      await scene.checkCloud()
    })

    test('what was committed and is not in the cloud outlives what comes after it', async () => {
      using scene = await node.open()
      fs.renameSync(scene.home.cloud, `${scene.home.cloud}-away`)
      const fd = fs.openSync(scene.path, 'r')
      for (let round = 0; round < 5; round++) {
        const writer = fs.openSync(scene.path, 'r+')
        put(scene, writer, random.below(SIZE / 2), CHUNK)
        fs.closeSync(writer)
        fs.writeFileSync(scene.path, (scene.content = random.bytes(SIZE)))
        scene.check(fd)
      }
      fs.renameSync(`${scene.home.cloud}-away`, scene.home.cloud)
      fs.closeSync(fd)
      await scene.checkCloud()
    })

    test('unlinked, renamed and replaced while open', async () => {
      using scene = await node.open()
      const fd = fs.openSync(scene.path, 'r')
      const before = sha(scene.content)
      fs.renameSync(scene.path, `${scene.path}-2`)
      fs.writeFileSync(scene.path, (scene.content = random.bytes(SIZE)))
      scene.check()
      fs.renameSync(scene.path, `${scene.path}-2`)
      const read = Buffer.alloc(SIZE)
      fs.readSync(fd, read, 0, SIZE, 0)
      assert.equal(sha(read), before, 'the file that was open')
      fs.unlinkSync(`${scene.path}-2`)
      fs.readSync(fd, read, 0, SIZE, 0)
      assert.equal(sha(read), before, 'with no name left')
      fs.closeSync(fd)
      const data = join(scene.home.nvme, 'data')
      await eventually('its bytes are gone', () => {
        return (fs.readdirSync(data, { recursive: true }) as string[]).every((it) => it.length < 4)
      })
    })

    test('evicted while it is open, or mapped', async () => {
      using scene = await node.open()
      await scene.client.act('wait', '/')
      const fd = fs.openSync(scene.path, 'r')
      await using mapped = await MappedFile.open(scene.path, SIZE, 'r')
      await scene.client.act('evict', '/')
      scene.check(fd)
      fs.closeSync(fd)
      await scene.client.act('evict', '/')
      fs.writeFileSync('/proc/sys/vm/drop_caches', '1')
      assert.equal(await mapped.digest(), sha(scene.content), 'mapped, with no descriptor')
      scene.check()
      await mapped.unmap()
      await scene.checkCloud()
    })

    test('mmap writes after its descriptor was closed', async () => {
      using scene = await node.open()
      const reader = fs.openSync(scene.path, 'r')
      await using mapped = await MappedFile.open(scene.path, SIZE, 'r+')
      for (const at of [0, 5 * CHUNK - 2, SIZE - 10]) {
        await mapped.store(at, 'stored')
        scene.content.write('stored', at)
      }
      if (scene.isPassed) scene.check(reader)
      fs.closeSync(reader)
      if (!scene.isPassed) await mapped.unmap()
      scene.check()
      await scene.client.act('wait', '/')
      await mapped.store(CHUNK, 'once more').catch(() => undefined)
      if (scene.isPassed) {
        scene.content.write('once more', CHUNK)
        await eventually('it is in the cloud', async () => {
          await scene.client.act('wait', '/')
          return inCloud(scene, 'once more')
        })
        await mapped.unmap()
      }
      scene.check()
      await scene.checkCloud()
    })

    test('read with O_DIRECT, and copied by the kernel', async () => {
      using scene = await node.open()
      const args = [`if=${scene.path}`, 'bs=64K', 'iflag=direct', 'status=none']
      const direct = spawnSync('dd', args, { maxBuffer: 2 * SIZE })
      assert.equal(sha(direct.stdout), sha(scene.content), direct.stderr.toString())
      fs.copyFileSync(scene.path, `${scene.path}-copy`)
      const copy = spawnSync('python3', ['-c', COPY, scene.path, `${scene.path}-range`])
      assert.equal(copy.status, 0, copy.stderr.toString())
      for (const name of ['copy', 'range']) {
        assert.equal(sha(fs.readFileSync(`${scene.path}-${name}`)), sha(scene.content), name)
      }
    })

    test('the daemon is killed while files are open', async () => {
      using scene = await node.open()
      const reader = fs.openSync(scene.path, 'r')
      await using mapped = await MappedFile.open(scene.path, SIZE, 'r+')
      for (let kill = 0; kill < 5; kill++) {
        await killDaemon(scene.client)
        scene.check(reader)
        const writer = fs.openSync(scene.path, 'r+')
        put(scene, writer, random.below(SIZE - 100), 100)
        scene.check(writer)
        fs.closeSync(writer)
        await mapped.store(kill * CHUNK, `stored ${kill}`)
        scene.content.write(`stored ${kill}`, kill * CHUNK)
        if (scene.isPassed) scene.check(reader)
      }
      fs.closeSync(reader)
      await mapped.unmap()
      scene.check()
      await scene.checkCloud()
    })

    test('all is killed while a program has the file in memory', async () => {
      using scene = await node.open()
      await scene.client.act('wait', '/')
      const reader = fs.openSync(scene.path, 'r')
      await using mapped = await MappedFile.open(scene.path, SIZE, 'r+')
      if (scene.isPassed) {
        await mapped.store(7, 'before the end')
        scene.content.write('before the end', 7)
      }
      await scene.client.kill()
      // No daemon exists to receive the release, and none is needed.
      fs.closeSync(reader)
      await scene.start()
      // A write after the mount has ended counts too, if it succeeds.
      const isWritten = await mapped.store(7, 'after the end').then(
        () => true,
        () => false,
      )
      await mapped.unmap()
      if (isWritten && scene.isPassed) scene.content.write('after the end', 7)
      await eventually('it is in the file', () => {
        return sha(fs.readFileSync(scene.path)) === sha(scene.content)
      })
      scene.check()
      await scene.checkCloud()
    })
  })
}

function openAs(path: string, mode: 'r' | 'r+' | 'a' | 'w'): number {
  const { O_WRONLY } = fs.constants
  return fs.openSync(path, mode === 'w' ? O_WRONLY : mode)
}

function inCloud(scene: FileScene, text: string): boolean {
  const chunks = join(scene.home.cloud, 'chunks')
  const names = fs.readdirSync(chunks, { recursive: true }) as string[]
  return names.some((name) => {
    const path = join(chunks, name)
    return fs.statSync(path).isFile() && fs.readFileSync(path).includes(text)
  })
}

const HOLES = `
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print(os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 0, os.SEEK_HOLE))`

const COPY = `
import os, sys
source, target = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
while os.copy_file_range(source, target, 1 << 20) > 0: pass`

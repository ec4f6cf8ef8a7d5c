/**
 * Passthrough writes: the same bytes, times and guarantees as through the daemon, with any
 * concurrent use of the file. Every test runs with and without passthrough, and asserts whether the
 * daemon got write requests, so that none passes by testing the other setup.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { eventually } from '../fixtures/eventually.ts'
import { CHUNK, SIZE, SceneNode, put, random, sha } from '../fixtures/file-scene.ts'
import type { FileScene } from '../fixtures/file-scene.ts'
import { MappedFile } from '../fixtures/mapped-file.ts'
import { killDaemon } from '../fixtures/steady-programs.ts'
import { withFuse } from './fuse-scratch.ts'

const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND } = fs.constants
const SETUPS = ['auto', 'off'] as const

/** Opens the file of the scene anew, write-only and empty. */
function begin(scene: FileScene, flags = 0): number {
  scene.content = Buffer.alloc(0)
  return fs.openSync(scene.path, O_WRONLY | O_CREAT | O_TRUNC | flags)
}

/** Appends random bytes to the file and the model. */
function append(scene: FileScene, fd: number, length: number): void {
  put(scene, fd, scene.content.length, length)
}

/** Asserts that the kernel writes exactly if passthrough is expected. */
async function assertSetup(scene: FileScene, opensBefore: number): Promise<void> {
  const { passedOpens } = await scene.stats()
  assert.equal(passedOpens! > opensBefore, scene.isPassed, 'who writes')
}

/** Asserts that the node has the written bytes; the scene has read nothing so far. */
async function assertWritten(scene: FileScene): Promise<void> {
  const { passedOpens } = await scene.stats()
  assert.equal(passedOpens! > scene.opensBefore, scene.isPassed, 'who wrote')
  scene.check()
}

async function inCloud(scene: FileScene, bytes: Buffer): Promise<void> {
  await eventually('it is in the cloud', () => {
    try {
      const names = fs.readdirSync(scene.home.cloud, { recursive: true }) as string[]
      const paths = names.map((name) => join(scene.home.cloud, name))
      return paths.some((path) => {
        return fs.statSync(path).isFile() && fs.readFileSync(path).includes(bytes)
      })
    } catch {
      // Objects appear and disappear during the scan.
      return false
    }
  })
}

for (const setup of SETUPS) {
  suite(`kernel writes ${setup}`, { ...withFuse, timeout: 240_000 }, () => {
    let node: SceneNode
    before(async () => {
      node = await SceneNode.start(setup)
    })
    after(() => node[Symbol.asyncDispose]())

    test('a file that was closed is here, after a restart, and in the cloud', async () => {
      using scene = await node.open()
      await assertWritten(scene)
      const { mtimeMs } = fs.statSync(scene.path)
      await scene.client.kill()
      await scene.start()
      scene.check()
      assert.equal(fs.statSync(scene.path).mtimeMs, mtimeMs)
      await scene.checkCloud()
      assert.equal(fs.statSync(scene.path).mtimeMs, mtimeMs)
    })

    test('seen by others while it is written: sizes, bytes, mappings, appends', async () => {
      using scene = await node.open()
      const { passedOpens: opens } = await scene.stats()
      const fd = begin(scene, O_APPEND)
      await assertSetup(scene, opens!)
      append(scene, fd, 3 * CHUNK + 7)
      const reader = fs.openSync(scene.path, 'r')
      const other = fs.openSync(scene.path, 'a')
      for (let round = 0; round < 20; round++) {
        append(scene, round % 2 === 0 ? fd : other, 1 + random.below(CHUNK))
        scene.check(reader)
      }
      await using mapped = await MappedFile.open(scene.path, scene.content.length, 'r')
      assert.equal(await mapped.digest(), sha(scene.content))
      fs.closeSync(fd)
      append(scene, other, 10)
      fs.closeSync(other)
      scene.check(reader)
      fs.closeSync(reader)
      await mapped.unmap()
      await scene.checkCloud()
    })

    test('truncated, punched, emptied, opened anew and renamed while it is written', async () => {
      using scene = await node.open()
      const fd = begin(scene)
      append(scene, fd, 5 * CHUNK)
      fs.truncateSync(scene.path, 2 * CHUNK + 5)
      scene.content = scene.content.subarray(0, 2 * CHUNK + 5)
      scene.check()
      put(scene, fd, 4 * CHUNK, CHUNK)
      scene.check()
      fs.ftruncateSync(fd, 9 * CHUNK + 3)
      scene.content = Buffer.concat([scene.content, Buffer.alloc(4 * CHUNK + 3)])
      scene.check()
      const both = fs.openSync(scene.path, 'r+')
      put(scene, both, CHUNK - 3, 6)
      put(scene, fd, CHUNK - 1, 3)
      scene.check(both)
      fs.closeSync(both)
      const punched = spawnSync('fallocate', ['-p', '-o', '4096', '-l', '8192', scene.path])
      assert.equal(punched.status, 0, String(punched.stderr))
      scene.content.fill(0, 4096, 4096 + 8192)
      scene.check()
      fs.renameSync(scene.path, `${scene.path}-2`)
      fs.renameSync(`${scene.path}-2`, scene.path)
      fs.closeSync(begin(scene))
      scene.check()
      put(scene, fd, CHUNK, 100)
      scene.check()
      fs.closeSync(fd)
      await scene.checkCloud()
    })

    test('mmap writes beside it', async () => {
      using scene = await node.open()
      const fd = begin(scene)
      append(scene, fd, SIZE)
      await using mapped = await MappedFile.open(scene.path, SIZE, 'r+')
      await mapped.store(CHUNK + 1, 'stored')
      scene.content.write('stored', CHUNK + 1)
      put(scene, fd, 3 * CHUNK, 10)
      await mapped.unmap()
      scene.check()
      fs.closeSync(fd)
      scene.check()
      await scene.checkCloud()
    })

    test('unlinked while it is written: nothing is left', async () => {
      using scene = await node.open()
      const path = `${scene.path}-gone`
      const fd = fs.openSync(path, 'w')
      const other = fs.openSync(path, 'a')
      fs.writeSync(fd, random.bytes(SIZE))
      fs.unlinkSync(path)
      fs.writeSync(fd, random.bytes(SIZE))
      assert.equal(fs.fstatSync(fd).size, 2 * SIZE)
      fs.closeSync(fd)
      await delay(50)
      fs.writeSync(other, random.bytes(SIZE))
      assert.equal(fs.fstatSync(other).size, 3 * SIZE)
      fs.closeSync(other)
      const { ino } = fs.statSync(scene.path)
      const data = join(scene.home.nvme, 'data')
      await eventually('its bytes are gone', () => {
        const names = fs.readdirSync(data, { recursive: true }) as string[]
        return names
          .filter((it) => it.length > 3 && !it.endsWith('new'))
          .every((it) => it.endsWith(`/${ino}`))
      })
      scene.check()
    })

    test('times that were set stay, also those of a copy', async () => {
      using scene = await node.open()
      const touched = fs.openSync(`${scene.path}-0`, 'w')
      fs.futimesSync(touched, 1_000_000, 1_000_000)
      const fd = begin(scene)
      append(scene, fd, SIZE)
      fs.futimesSync(fd, 1_000_000, 1_000_000)
      fs.closeSync(fd)
      assert.equal(fs.statSync(scene.path).mtimeMs, 1_000_000_000)
      await scene.client.act('wait', '/')
      assert.equal(fs.statSync(scene.path).mtimeMs, 1_000_000_000)
      const copied = spawnSync('cp', ['-p', scene.path, `${scene.path}-2`])
      assert.equal(copied.status, 0, String(copied.stderr))
      await scene.client.kill()
      await scene.start()
      fs.closeSync(touched)
      for (const name of ['', '-0', '-2'])
        assert.equal(fs.statSync(scene.path + name).mtimeMs, 1_000_000_000, name)
      const sinceMs = Date.now() - 100
      const later = fs.openSync(scene.path, 'a')
      append(scene, later, 1)
      fs.closeSync(later)
      assert.ok(fs.statSync(scene.path).mtimeMs >= sinceMs)
    })

    test('synced and kept open, as logs are: goes to the cloud meanwhile', async () => {
      using scene = await node.open()
      const { passedOpens: opens } = await scene.stats()
      const fd = begin(scene)
      await assertSetup(scene, opens!)
      for (let round = 0; round < 3; round++) {
        append(scene, fd, CHUNK + 100)
        // Overwrites uploaded data too.
        if (round > 0) put(scene, fd, 10, 100)
        fs.fsyncSync(fd)
        await inCloud(scene, scene.content.subarray(10, 110))
        await inCloud(scene, scene.content.subarray(-100))
        await scene.client.act('evict', '/')
        scene.check()
      }
      await scene.client.act('wait', '/')
      put(scene, fd, CHUNK, 100)
      await scene.client.act('wait', '/')
      await inCloud(scene, scene.content.subarray(CHUNK, CHUNK + 100))
      fs.closeSync(fd)
      await scene.checkCloud()
    })

    test('overwritten while what was committed of it waits for the cloud', async () => {
      using scene = await node.open()
      fs.renameSync(scene.home.cloud, `${scene.home.cloud}-away`)
      const fd = begin(scene)
      append(scene, fd, 4 * CHUNK)
      fs.fsyncSync(fd)
      const receipt = ['-n', 'user.cachefs.receipt', '--only-values', scene.path]
      assert.equal(spawnSync('getfattr', receipt).status, 0)
      put(scene, fd, CHUNK, 100)
      fs.closeSync(fd)
      scene.check()
      fs.renameSync(`${scene.home.cloud}-away`, scene.home.cloud)
      await scene.checkCloud()
    })

    test('the daemon is killed again and again while it is written', async () => {
      using scene = await node.open()
      const { passedOpens: opens } = await scene.stats()
      const fd = begin(scene)
      await assertSetup(scene, opens!)
      for (let kill = 0; kill < 4; kill++) {
        append(scene, fd, 1 + random.below(3 * CHUNK))
        if (kill === 2) fs.fsyncSync(fd)
        const killing = killDaemon(scene.client)
        if (scene.isPassed) append(scene, fd, 1 + random.below(3 * CHUNK))
        await killing
        put(scene, fd, random.below(scene.content.length), 100)
        scene.check()
      }
      fs.closeSync(fd)
      await killDaemon(scene.client)
      scene.check()
      await scene.checkCloud()
    })

    test('all is killed while a program writes: what it wrote until then is there', async () => {
      using scene = await node.open()
      const fd = begin(scene)
      append(scene, fd, SIZE)
      fs.fsyncSync(fd)
      await eventually('it was committed', async () => {
        await scene.client.act('wait', '/')
        return true
      })
      put(scene, fd, CHUNK, 2 * CHUNK)
      append(scene, fd, 3 * CHUNK)
      const unsynced = `${scene.path}-unsynced`
      const other = fs.openSync(unsynced, 'w')
      const bytes = random.bytes(SIZE)
      fs.writeSync(other, bytes)
      await scene.client.kill()
      await scene.start()
      scene.check()
      assert.equal(sha(fs.readFileSync(unsynced)), sha(bytes))
      fs.closeSync(other)
      // A write after the mount has ended counts too, if it is acknowledged.
      try {
        fs.writeSync(fd, Buffer.alloc(CHUNK, 1), 0, CHUNK, 0)
        scene.content.fill(1, 0, CHUNK)
      } catch {
        // An error is acceptable too.
      }
      fs.closeSync(fd)
      await eventually('it is in the file', () => {
        return sha(fs.readFileSync(scene.path)) === sha(scene.content)
      })
      fs.writeFileSync('/proc/sys/vm/drop_caches', '1')
      scene.check()
      await scene.checkCloud()
      assert.equal(sha(fs.readFileSync(unsynced)), sha(bytes))
    })

    test('the machine goes down: what was synced is there', async () => {
      using scene = await node.open()
      const fd = begin(scene)
      append(scene, fd, SIZE)
      fs.fsyncSync(fd)
      await scene.client.act('wait', '/')
      put(scene, fd, CHUNK, 2 * CHUNK)
      append(scene, fd, 2 * CHUNK)
      fs.fsyncSync(fd)
      await scene.client.kill()
      fs.closeSync(fd)
      // The table of open inodes may be lost in a machine crash.
      fs.rmSync(join(scene.home.nvme, 'open-inodes'))
      const database = new DatabaseSync(join(scene.home.nvme, 'node.db'))
      database.exec("UPDATE setting SET value = 'another' WHERE name = 'boot'")
      database.close()
      await scene.start()
      scene.check()
      await scene.checkCloud()
    })

    test('in any order, with any other use of the file', async (t) => {
      t.diagnostic(`CACHEFS_SEED=${random.seed}`)
      using scene = await node.open()
      const open: number[] = []
      for (let step = 0; step < 150; step++) {
        const fd = open[random.below(open.length)]
        switch (random.below(12)) {
          case 0:
            if (open.length === 0 || random.below(4) === 0) open.push(begin(scene))
            break
          case 1:
            if (open.length < 4)
              open.push(fs.openSync(scene.path, random.below(2) ? 'r+' : O_WRONLY))
            break
          case 2:
          case 3:
            if (fd !== undefined) fs.closeSync(open.splice(open.indexOf(fd), 1)[0]!)
            break
          case 4:
            if (fd !== undefined) fs.fsyncSync(fd)
            break
          case 5: {
            const size = random.below(scene.content.length + CHUNK)
            const after = Buffer.alloc(size)
            scene.content.copy(after)
            fs.truncateSync(scene.path, size)
            scene.content = after
            break
          }
          case 6:
            if (random.below(3) === 0) await scene.client.act('wait', '/')
            else await scene.client.act('evict', '/')
            break
          case 7:
            if (random.below(8) === 0) await killDaemon(scene.client)
            else await delay(random.below(60))
            break
          case 8:
            if (fd !== undefined && scene.content.length < 20 * CHUNK)
              append(scene, fd, 1 + random.below(2 * CHUNK))
            break
          default:
            if (fd !== undefined) {
              put(scene, fd, random.below(scene.content.length + 100), 1 + random.below(CHUNK))
            }
        }
        scene.check()
      }
      for (const fd of open) fs.closeSync(fd)
      scene.content = Buffer.concat([scene.content, Buffer.from('end')])
      fs.appendFileSync(scene.path, 'end')
      await scene.checkCloud()
    })
  })
}

/**
 * Files on the local side of a CacheFS are removed, cut or replaced by something else: what the
 * remote has is fetched again; the rest is EIO, is never sent, and is reported.
 */
import assert from 'node:assert/strict'
import { mkdtemp, mkdir, rm, symlink, truncate, appendFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { LocalFS } from '../../src/filesystem/local/local-fs.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { down, faultyFS } from '../fixtures/faulty-fs.ts'
import { Random } from '../fixtures/random.ts'

const BLOCK = 64 * 1024
const SIZE = 2 * BLOCK + 1000
const CUT = BLOCK + 10

const DAMAGES: Record<string, (path: string) => Promise<void>> = {
  removed: (path) => rm(path),
  emptied: (path) => truncate(path, 0),
  cut: (path) => truncate(path, CUT),
  directory: async (path) => {
    await rm(path)
    await mkdir(path)
  },
  link: async (path) => {
    await rm(path)
    await symlink('/etc/hostname', path)
  },
  'link to another copy': async (path) => {
    await writeFile(`${path}-other`, Buffer.alloc(SIZE, 7))
    await rm(path)
    await symlink(`${basename(path)}-other`, path)
  },
}

class Scene implements AsyncDisposable {
  readonly remote = new MemoryFS()
  readonly folder: string
  isAway = false
  files!: CacheFS

  private constructor(folder: string) {
    this.folder = folder
  }

  static async make(): Promise<Scene> {
    const scene = new Scene(await mkdtemp(join(tmpdir(), 'cachefs-copies-')))
    await scene.open()
    return scene
  }

  async open(): Promise<void> {
    const faulty = faultyFS(this.remote)
    faulty.fault = () => (this.isAway ? down() : undefined)
    const local = new LocalFS(this.folder)
    const retry = { retryBaseMs: 10, retryMaxMs: 20, attempts: 2 }
    const options = { journal: true, blockBytes: BLOCK, ...retry }
    this.files = await CacheFS.open(local, faulty.files, options)
  }

  async reopen(): Promise<void> {
    await this.files.close()
    await this.open()
  }

  /** Bytes that are there can be read, the others are EIO. */
  async expectLost(path: string, data: Buffer, leftBytes: number): Promise<void> {
    await using handle = await this.files.open(path, 'r').catch(() => undefined)
    if (handle === undefined) return
    const part = Buffer.alloc(BLOCK)
    const { bytesRead } = await handle.read(part, 0, Math.min(BLOCK, leftBytes), 0)
    assert.ok(part.subarray(0, bytesRead).equals(data.subarray(0, bytesRead)))
    await assert.rejects(handle.read(part, 0, BLOCK, BLOCK), { code: 'EIO' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.files.close().catch(() => undefined)
    await rm(this.folder, { recursive: true, force: true })
  }
}

describe('the local side is damaged', () => {
  for (const [name, damage] of Object.entries(DAMAGES)) {
    for (const when of ['while it is open', 'between two opens', 'between two processes']) {
      test(`what the remote has is fetched again: ${name}, ${when}`, async () => {
        await using scene = await Scene.make()
        const data = new Random(1).bytes(SIZE)
        await scene.remote.writeFile('/file', data)
        assert.ok((await scene.files.readFile('/file')).equals(data))
        const handle = await scene.files.open('/file', 'r')
        await damage(join(scene.folder, 'file'))
        if (when === 'while it is open') {
          const found = await handle.readFile()
          assert.ok(found.equals(data))
        }
        await handle.close()
        if (when === 'between two processes') await scene.reopen()
        assert.ok((await scene.files.readFile('/file')).equals(data))
        const writer = await scene.files.open('/file', 'r+')
        await writer.write(Buffer.from('changed'), 0, 7, 5)
        await writer.close()
        await scene.files.wait()
        data.write('changed', 5)
        assert.ok((await scene.remote.readFile('/file')).equals(data))
      })
    }

    for (const when of ['in one process', 'between two processes']) {
      test(`what the remote does not have is EIO, and not sent: ${name}, ${when}`, async () => {
        await using scene = await Scene.make()
        const before = new Random(2).bytes(SIZE)
        const data = new Random(3).bytes(SIZE)
        await scene.remote.writeFile('/file', before)
        scene.isAway = true
        await scene.files.writeFile('/file', data)
        await damage(join(scene.folder, 'file'))
        if (when === 'between two processes') await scene.reopen()
        scene.isAway = false
        scene.files.retry()
        await scene.files.wait()
        // The upload had opened it before.
        if ((await scene.remote.readFile('/file')).equals(data)) return
        await scene.expectLost('/file', data, name === 'cut' ? CUT : 0)
        assert.ok((await scene.remote.readFile('/file')).equals(before))
        const said = scene.files.errors().map(({ path, cause }) => `${path}: ${String(cause)}`)
        assert.ok(said.some((text) => /\/file: .*EIO.*local copy of \/file has/.test(text)))
        await scene.files.writeFile('/file', data)
        await scene.files.wait()
        assert.ok((await scene.remote.readFile('/file')).equals(data))
      })
    }
  }

  test('bytes appended to a local file by others are not sent', async () => {
    await using scene = await Scene.make()
    const data = new Random(4).bytes(SIZE)
    scene.isAway = true
    await scene.files.writeFile('/file', data)
    await appendFile(join(scene.folder, 'file'), 'junk')
    scene.isAway = false
    scene.files.retry()
    await scene.files.wait()
    assert.ok((await scene.remote.readFile('/file')).equals(data))
    assert.ok((await scene.files.readFile('/file')).equals(data))
  })

  test('a block that is fetched after the file was cut puts no zeros before it', async () => {
    await using scene = await Scene.make()
    const data = new Random(5).bytes(8 * BLOCK)
    await scene.remote.writeFile('/file', data)
    const part = Buffer.alloc(10)
    await using handle = await scene.files.open('/file', 'r')
    await handle.read(part, 0, 10, 0)
    await truncate(join(scene.folder, 'file'), 0)
    await handle.read(part, 0, 10, 7 * BLOCK)
    assert.ok(part.equals(data.subarray(7 * BLOCK, 7 * BLOCK + 10)))
    assert.ok((await scene.files.readFile('/file')).equals(data))
  })

  test('a writer that has a cut file open gets back what the remote has', async () => {
    await using scene = await Scene.make()
    const data = new Random(6).bytes(SIZE)
    await scene.remote.writeFile('/file', data)
    const one = await scene.files.open('/file', 'a')
    const two = await scene.files.open('/file', 'r+')
    await truncate(join(scene.folder, 'file'), CUT)
    await one.write(Buffer.from('end'))
    await two.write(Buffer.from('start'), 0, 5, 0)
    await Promise.all([one.close(), two.close()])
    const expected = Buffer.concat([data, Buffer.from('end')])
    expected.write('start')
    assert.ok((await scene.files.readFile('/file')).equals(expected))
    await scene.files.wait()
    assert.ok((await scene.remote.readFile('/file')).equals(expected))
  })

  test('written bytes that were cut are not replaced by zeros', async () => {
    await using scene = await Scene.make()
    const handle = await scene.files.open('/file', 'w')
    await handle.write(new Random(7).bytes(SIZE))
    await truncate(join(scene.folder, 'file'), CUT)
    await assert.rejects(handle.write(Buffer.from('end')), { code: 'EIO' })
    await assert.rejects(handle.truncate(2 * SIZE), { code: 'EIO' })
    await handle.truncate(CUT)
    await handle.write(Buffer.from('end'), 0, 3, CUT)
    await handle.close()
    await scene.files.wait()
    assert.equal((await scene.remote.stat('/file')).size, CUT + 3)
  })
})

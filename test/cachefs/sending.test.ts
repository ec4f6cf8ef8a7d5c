/** Sending a file that is still being written: the remote gets one complete state of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import type { FileHandle } from '../../src/filesystem/file-handle.ts'
import type { FileSystem, ReplaceOptions } from '../../src/filesystem/file-system.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import type { Stats } from '../../src/filesystem/stats.ts'
import { WrappedFS } from '../../src/filesystem/wrapped-fs.ts'
import { limits } from '../../src/limits.ts'

/** A slow remote that runs a callback at each piece. */
class SlowFS extends WrappedFS {
  readonly #meanwhile: () => Promise<void>

  constructor(inner: FileSystem, meanwhile: () => Promise<void>) {
    super(inner)
    this.#meanwhile = meanwhile
  }

  protected override async replaceFile(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions,
  ): Promise<Stats> {
    const meanwhile = this.#meanwhile
    async function* slowly(): AsyncGenerator<Uint8Array> {
      for await (const piece of source) {
        yield piece
        await meanwhile()
      }
    }
    return await super.replaceFile(path, slowly(), options)
  }
}

test('a large file that changes while it is sent arrives in one of its states', async () => {
  const behind = new MemoryFS()
  const size = 4 * limits.fileReadBytes
  const letters = 'bcdefgh'.split('')
  const state: { handle?: FileHandle | undefined; last: string } = { last: 'a' }
  const remote = new SlowFS(behind, async () => {
    const seen = await behind.readFile('/file', 'utf8').catch(() => '')
    assert.ok(new Set(seen).size <= 1, 'a mix of two states')
    const next = state.handle === undefined ? undefined : letters.shift()
    if (next === undefined) return
    await state.handle?.write(next.repeat(size), 0)
    state.last = next
  })
  const files = new CacheFS(new MemoryFS(), remote, { retryBaseMs: 1 })
  const handle = await files.open('/file', 'w')
  await handle.write('a'.repeat(size), 0)
  state.handle = handle
  await handle.sync()
  await files.wait()
  state.handle = undefined
  await handle.close()
  await files.wait()
  assert.ok(state.last > 'c', 'it was changed again and again')
  const arrived = await behind.readFile('/file', 'utf8')
  assert.deepEqual([...new Set(arrived)], [state.last])
  assert.equal(arrived.length, size)
  await files.close()
})

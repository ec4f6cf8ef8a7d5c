/**
 * Thousands of operations at once, from a seed, on a cache over a remote that is slow and fails now
 * and then. Each worker has names of its own, for which a plain model says at any moment what must
 * be seen; the names lie in directories that all share, and one worker keeps looking at everything.
 * At the end the remote has what the model has.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FsError, codeOf } from '../../src/base/fs-error.ts'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import type { CacheOptions } from '../../src/cachefs/cache-options.ts'
import type { FileSystem } from '../../src/filesystem/file-system.ts'
import { localFixture, memoryFixture } from '../fixtures/file-system-fixture.ts'
import type { FileSystemFixture } from '../fixtures/file-system-fixture.ts'
import { faultyFS } from '../fixtures/faulty-fs.ts'
import { Random } from '../fixtures/random.ts'

const WORKERS = 8
const STEPS = 250
const CHURNS = 60
const DIRECTORIES = ['/d0', '/d1', '/d1/deep', '']

type Model = Map<string, string>

/** One operation of a worker on its own names, and what it must come to. */
async function step(files: FileSystem, model: Model, random: Random, id: number): Promise<void> {
  const path = (): string => `${DIRECTORIES[random.below(4)] ?? ''}/w${id}-${random.below(5)}`
  const [one, two] = [path(), path()]
  const before = model.get(one)
  const expectMissing = (work: Promise<unknown>): Promise<void> => {
    return assert.rejects(work, { code: 'ENOENT' }, one)
  }
  switch (random.below(8)) {
    case 0:
    case 1: {
      const text = String(random.below(1e9)).repeat(random.below(300))
      await files.writeFile(one, text)
      model.set(one, text)
      return
    }
    case 2:
      await files.appendFile(one, '+more')
      model.set(one, `${before ?? ''}+more`)
      return
    case 3:
      if (before === undefined) {
        await expectMissing(files.unlink(one))
        return
      }
      await files.unlink(one)
      model.delete(one)
      return
    case 4:
      if (before === undefined) {
        await expectMissing(files.rename(one, two))
        return
      }
      await files.rename(one, two)
      if (one === two) return
      model.delete(one)
      model.set(two, before)
      return
    case 5: {
      if (before === undefined) {
        await expectMissing(files.truncate(one, 3))
        return
      }
      await files.truncate(one, 3)
      model.set(one, before.slice(0, 3).padEnd(3, '\0'))
      return
    }
    case 6:
      if (before === undefined) {
        await expectMissing(files.readFile(one))
        return
      }
      assert.equal(await files.readFile(one, 'utf8'), before, one)
      return
    default:
      if (before === undefined) {
        await expectMissing(files.stat(one))
        return
      }
      assert.equal((await files.stat(one)).size, before.length, one)
  }
}

/** Directories come and go and are renamed, with nobody else's names in them. */
async function churn(files: FileSystem, random: Random, isDone: () => boolean): Promise<void> {
  for (let i = 0; i < CHURNS && !isDone(); i++) {
    const [from, to] = [`/churn${random.below(3)}`, `/churn${random.below(3)}`]
    await files.mkdir(`${from}/sub`, { recursive: true })
    await files.writeFile(`${from}/sub/file`, String(i))
    if (from !== to) {
      await files.rm(to, { recursive: true, force: true })
      await files.rename(from, to)
      assert.equal(await files.readFile(`${to}/sub/file`, 'utf8'), String(i))
      await assert.rejects(files.stat(from), { code: 'ENOENT' })
    }
    for (const path of await files.readdir('/', { recursive: true })) {
      // Others' names may go between the two.
      await files.readFile(`/${path}`).catch((error: unknown) => {
        assert.match(codeOf(error), /ENOENT|EISDIR|ENOTDIR/)
      })
    }
  }
}

async function run(
  seed: number,
  options: CacheOptions,
  open: () => Promise<FileSystemFixture>,
): Promise<void> {
  const local = await open()
  const behind = await open()
  const faults = new Random(seed)
  const remote = faultyFS(behind.files)
  remote.fault = async (call) => {
    for (let i = faults.below(4); i > 0; i--) await new Promise((resolve) => setImmediate(resolve))
    const isChange = !/lstat|list|content|readlink/.test(call)
    return isChange && faults.below(20) === 0 ? new FsError('EIO', 'now and then') : undefined
  }
  const how = { retryBaseMs: 0, attempts: 1000, ...options }
  const files = new CacheFS(local.files, remote.files, how)
  for (const directory of DIRECTORIES) await files.mkdir(directory || '/', { recursive: true })
  const models: Model[] = []
  const state = { isDone: false }
  const workers = Array.from({ length: WORKERS }, async (_, id) => {
    const model: Model = new Map()
    models.push(model)
    const random = new Random(seed * 1000 + id)
    for (let i = 0; i < STEPS; i++) await step(files, model, random, id)
  })
  const churning = churn(files, new Random(seed), () => state.isDone)
  await Promise.all(workers).finally(() => {
    state.isDone = true
  })
  await churning
  await files.wait()
  assert.deepEqual(files.errors(), [])
  for (const model of models) {
    for (const [path, text] of model) {
      assert.equal(await files.readFile(path, 'utf8'), text, `${path} in the cache`)
      assert.equal(await behind.files.readFile(path, 'utf8'), text, `${path} at the remote`)
    }
  }
  const names = async (it: FileSystem): Promise<string[]> => {
    return (await it.readdir('/', { recursive: true })).sort()
  }
  assert.deepEqual(await names(files), await names(behind.files))
  await files.clear()
  assert.deepEqual(await names(files), await names(behind.files))
  await files.close()
  await local[Symbol.asyncDispose]()
  await behind[Symbol.asyncDispose]()
}

const MANNERS: [string, CacheOptions, () => Promise<FileSystemFixture>][] = [
  ['always valid', { ttlMs: 1e9 }, memoryFixture],
  ['never valid', { ttlMs: 0, negativeTtlMs: 0 }, memoryFixture],
  ['little space, small blocks', { ttlMs: 5, maxBytes: 20_000, blockBytes: 500 }, memoryFixture],
  ['on disk, one change at a time', { ttlMs: 5, concurrency: 1 }, localFixture],
]

for (const [name, options, open] of MANNERS) {
  for (const seed of [1, 2]) {
    test(`thousands of interleaved operations, seed ${seed}: ${name}`, () =>
      run(seed, options, open))
  }
}

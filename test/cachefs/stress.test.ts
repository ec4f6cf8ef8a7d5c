/**
 * Thousands of concurrent operations on a cache whose remote fails now and then. The order in which
 * calls begin and end is a function of the seed. Each worker has its own names, for which a model
 * defines at any moment what must be visible; the names are in directories that all workers share.
 * Others write into directories while these are renamed, and one lists everything. At the end the
 * remote equals the model.
 *
 * A failure prints its seed; `CACHEFS_SEED=1234` repeats it.
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
import { Schedule, scheduledFS } from '../fixtures/scheduled-fs.ts'

const WORKERS = 8
const STEPS = 250
const CHURNS = 60
const BOXES = 4
const BOX_WRITERS = 4
const BOX_FILES = 30
const DIRECTORIES = ['/d0', '/d1', '/d1/deep', '']

type Model = Map<string, string>

/** One operation of a worker on its own names, and its expected result. */
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

/** Creates, renames and removes directories that no other worker uses. */
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
    const names = await files.readdir('/', { recursive: true }).catch(ignore)
    for (const path of names ?? []) {
      // Names of others may be removed between the two calls.
      await files.readFile(`/${path}`).catch((error: unknown) => {
        assert.match(codeOf(error), /ENOENT|EISDIR|ENOTDIR/)
      })
    }
  }
}

/** Writes to open files while their directory is renamed. */
async function writeInMoving(files: FileSystem, random: Random, id: number): Promise<Model> {
  const model: Model = new Map()
  for (let i = 0; i < BOX_FILES; i++) {
    const name = `${id}-${i}`
    const opened = await files.open(`/boxes/box${random.below(BOXES)}/${name}`, 'wx+').catch(ignore)
    // The directory was being renamed.
    if (opened === undefined) continue
    await using handle = opened
    let text = ''
    for (let part = 0; part < 3; part++) {
      const piece = `${name}-${part} `.repeat(1 + random.below(200))
      await handle.write(piece)
      text += piece
      const target = Buffer.alloc(text.length + 1)
      const { bytesRead } = await handle.read(target, 0, target.length, 0)
      assert.equal(target.toString('utf8', 0, bytesRead), text, name)
    }
    model.set(name, text)
  }
  return model
}

function ignore(error: unknown): undefined {
  assert.equal(codeOf(error), 'ENOENT', String(error))
}

/** The content of the boxes at their current paths, with each file once. */
async function inBoxes(files: FileSystem): Promise<Model> {
  const found: Model = new Map()
  for (const name of await files.readdir('/boxes', { recursive: true })) {
    if (!name.includes('/')) continue
    const own = name.slice(name.indexOf('/') + 1)
    assert.ok(!found.has(own), `${own} is there twice`)
    found.set(own, await files.readFile(`/boxes/${name}`, 'utf8'))
  }
  return found
}

async function moveBoxes(files: FileSystem, random: Random, isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    const [one, two] = [random.below(BOXES), random.below(BOXES)].map((n) => `/boxes/box${n}`)
    if (one === two) continue
    await files.rename(one!, '/boxes/between')
    await files.rename(two!, one!)
    await files.rename('/boxes/between', two!)
  }
}

const sorted = (pairs: Iterable<[string, string]>): [string, string][] => {
  return [...pairs].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Returns the number of turns. */
async function run(
  seed: number,
  options: CacheOptions,
  open: () => Promise<FileSystemFixture>,
): Promise<number> {
  const local = await open()
  const behind = await open()
  const faults = new Random(seed)
  const schedule = new Schedule(new Random(seed * 31 + 7))
  const remote = faultyFS(scheduledFS(behind.files, schedule))
  remote.fault = (call) => {
    const isChange = !/lstat|list|content|readlink/.test(call)
    return isChange && faults.below(20) === 0 ? new FsError('EIO', 'now and then') : undefined
  }
  const how = { retryBaseMs: 0, attempts: 1000, now: schedule.now, ...options }
  const files = new CacheFS(scheduledFS(local.files, schedule), remote.files, how)
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
  for (let box = 0; box < BOXES; box++) {
    await files.mkdir(`/boxes/box${box}`, { recursive: true })
  }
  const writers = Array.from({ length: BOX_WRITERS }, (_, id) => {
    return writeInMoving(files, new Random(seed * 2000 + id), id)
  })
  const moving = moveBoxes(files, new Random(seed), () => state.isDone)
  const ended = Promise.all([Promise.all(workers), Promise.all(writers)]).finally(() => {
    state.isDone = true
  })
  const [[, written]] = await Promise.all([ended, churning, moving])
  await files.wait()
  assert.deepEqual(files.errors(), [])
  for (const model of models) {
    for (const [path, text] of model) {
      assert.equal(await files.readFile(path, 'utf8'), text, `${path} in the cache`)
      assert.equal(await behind.files.readFile(path, 'utf8'), text, `${path} at the remote`)
    }
  }
  const boxes = sorted(written.flatMap((model) => [...model]))
  assert.deepEqual(sorted(await inBoxes(files)), boxes)
  assert.deepEqual(sorted(await inBoxes(behind.files)), boxes)
  const names = async (it: FileSystem): Promise<string[]> => {
    return (await it.readdir('/', { recursive: true })).sort()
  }
  assert.deepEqual(await names(files), await names(behind.files))
  await files.clear()
  assert.deepEqual(await names(files), await names(behind.files))
  await files.close()
  await local[Symbol.asyncDispose]()
  await behind[Symbol.asyncDispose]()
  return schedule.turns
}

interface Manner {
  name: string
  options: CacheOptions
  open: () => Promise<FileSystemFixture>
  /** Includes seeds that once found a fault. */
  seeds: number[]
}

const MANNERS: Manner[] = [
  { name: 'always valid', options: { ttlMs: 1e9 }, open: memoryFixture, seeds: [1] },
  {
    name: 'never valid',
    options: { ttlMs: 0, negativeTtlMs: 0 },
    open: memoryFixture,
    // Once, a delayed removal of a local file removed the next file of that name.
    seeds: [2, 10],
  },
  {
    name: 'little space, small blocks',
    options: { ttlMs: 5, maxBytes: 20_000, blockBytes: 500 },
    open: memoryFixture,
    seeds: [4],
  },
  {
    name: 'on disk, one change at a time',
    options: { ttlMs: 5, concurrency: 1 },
    open: localFixture,
    // Below, twice.
    seeds: [],
  },
]
const GIVEN = process.env['CACHEFS_SEED']

test('a seed repeats the whole run, on a disk as well', async () => {
  const { options, open } = MANNERS.at(-1)!
  assert.equal(await run(1, options, open), await run(1, options, open))
})

for (const { name, options, open, seeds } of MANNERS) {
  for (const seed of GIVEN === undefined ? seeds : [Number(GIVEN)]) {
    test(`thousands of interleaved operations, seed ${seed}: ${name}`, async () => {
      await run(seed, options, open)
    })
  }
}

/**
 * The journal of a cache: its size is proportional to the pending changes, not to the history; it
 * is valid for the next process at any moment, however often it was rewritten; it recovers from
 * a failed write.
 */
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { FsError } from '../../src/base/fs-error.ts'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { cachefsLimits } from '../../src/cachefs/limits.ts'
import type { FileSystem } from '../../src/filesystem/file-system.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { down, faultyFS } from '../fixtures/faulty-fs.ts'
import type { FaultyFS } from '../fixtures/faulty-fs.ts'
import { Random } from '../fixtures/random.ts'

const SLACK_BYTES = 2000
const RESERVE_BYTES = 2000
const STEPS = 400
const NAMES = ['a', 'b', 'c']
const options = { journal: true, retryBaseMs: 1, retryMaxMs: 5, attempts: 2 }

// Makes it rewrite all the time.
beforeEach(() => {
  const sizes = { cacheJournalSlackBytes: SLACK_BYTES, cacheJournalReserveBytes: RESERVE_BYTES }
  Object.assign(cachefsLimits, sizes, { cacheRoomMs: 100 })
})

/** The disk as a process sees it; after its death, no further operation takes effect. */
class Process {
  isDead = false

  sees<T extends object>(inner: T): T {
    return new Proxy(inner, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (this.isDead) return new Promise(() => undefined)
          const result: unknown = Reflect.apply(value, target, args)
          if (name !== 'open') return result
          return (result as Promise<object>).then((handle) => this.sees(handle))
        }
      },
    })
  }

  /** Resolves when all operations that were started concurrently have ended. */
  async kill(): Promise<void> {
    this.isDead = true
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function copyOf(files: FileSystem): Promise<MemoryFS> {
  const copy = new MemoryFS()
  for (const name of (await files.readdir('/', { recursive: true })).sort()) {
    const path = `/${name}`
    const stats = await files.lstat(path)
    if (stats.isDirectory()) await copy.mkdir(path)
    else if (stats.isSymbolicLink()) await copy.symlink(await files.readlink(path), path)
    else await copy.writeFile(path, await files.readFile(path))
  }
  return copy
}

/** The whole tree as text, for comparison. */
async function everything(files: FileSystem): Promise<string[]> {
  const found: string[] = []
  for (const name of (await files.readdir('/', { recursive: true })).sort()) {
    const path = `/${name}`
    if (path.startsWith('/.cachefs')) continue
    const stats = await files.lstat(path)
    const mode = (stats.mode & 0o777).toString(8)
    if (stats.isDirectory()) found.push(`${path}/`)
    else if (stats.isSymbolicLink()) found.push(`${path} -> ${await files.readlink(path)}`)
    else found.push(`${path} ${mode} ${await files.readFile(path, 'utf8')}`)
  }
  return found
}

function step(random: Random): (files: FileSystem) => Promise<unknown> {
  const path = (): string => {
    const length = 1 + random.below(3)
    return `/${Array.from({ length }, () => NAMES[random.below(NAMES.length)]).join('/')}`
  }
  const [one, two, text] = [path(), path(), `${random.below(1e6)} `.repeat(random.below(20))]
  const bits = 0o600 | random.below(0o177)
  const steps: ((files: FileSystem) => Promise<unknown>)[] = [
    (files) => files.mkdir(one),
    (files) => files.mkdir(one),
    (files) => files.writeFile(one, text, { mode: 0o640 }),
    (files) => files.writeFile(one, text, { mode: 0o640 }),
    (files) => files.appendFile(one, text, { mode: 0o640 }),
    (files) => files.rename(one, two),
    (files) => files.rename(one, two),
    (files) => files.unlink(one),
    (files) => files.rmdir(one),
    (files) => files.rm(one, { recursive: true, force: true }),
    (files) => files.chmod(one, bits),
    (files) => files.symlink('../a', one),
    (files) => files.readdir(one),
    (files) => files.readFile(one),
  ]
  return steps[random.below(steps.length)]!
}

async function outcome(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'done',
    (error: unknown) => {
      assert.ok(error instanceof FsError, String(error))
      return 'refused'
    },
  )
}

/** A remote that is reachable, unreachable and unreliable, in turns. */
function moods(remote: FaultyFS, random: Random): () => void {
  return () => {
    const mood = random.below(3)
    remote.fault = (call) => {
      const isChange = !/lstat|list|content|readlink/.test(call)
      if (!isChange) return undefined
      return mood === 0 || (mood === 1 && random.below(3) === 0) ? down() : undefined
    }
  }
}

describe('the journal', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`a crash after any operation, seed ${seed}`, async () => {
      const random = new Random(seed)
      const [model, behind] = [new MemoryFS(), new MemoryFS()]
      let local = new MemoryFS()
      let remote = faultyFS(behind)
      let process = new Process()
      let files = await CacheFS.open(process.sees(local), remote.files, options)
      for (let at = 0; at < STEPS; at++) {
        const work = step(random)
        const expected = await outcome(work(model))
        assert.equal(await outcome(work(files)), expected, `step ${at}: ${String(work)}`)
        if (random.below(5) === 0) moods(remote, random)()
        if (random.below(4) === 0) await new Promise((resolve) => setTimeout(resolve, 2))
        if (random.below(15) > 0) continue
        remote.fault = () => new Promise(() => undefined)
        await process.kill()
        local = await copyOf(local)
        remote = faultyFS(behind)
        process = new Process()
        files = await CacheFS.open(process.sees(local), remote.files, options)
        assert.deepEqual(await everything(files), await everything(model), `after step ${at}`)
      }
      remote.fault = () => undefined
      files.retry()
      await files.wait()
      assert.deepEqual(
        files.errors().filter(({ willRetry }) => !willRetry),
        [],
      )
      assert.deepEqual(await everything(behind), await everything(model))
      await files.close()
    })
  }

  test('its size is proportional to the pending changes', async () => {
    const [local, behind] = [new MemoryFS(), new MemoryFS()]
    await behind.writeFile('/known', 'known')
    const remote = faultyFS(behind)
    const first = await CacheFS.open(local, remote.files, options)
    await first.readFile('/known')
    remote.fault = (call) => (call === 'lstat' ? undefined : down())
    await first.mkdir('/folder')
    await first.rename('/known', '/folder/moved')
    await first.symlink('moved', '/folder/link')
    for (let i = 0; i < 3000; i++) await first.chmod('/folder/moved', 0o600 + (i % 0o100))
    for (let i = 0; i < 300; i++) {
      await first.writeFile('/folder/temporary', 'x')
      await first.unlink('/folder/temporary')
    }
    const { size } = await local.stat('/.cachefs/journal')
    assert.ok(size < 5 * SLACK_BYTES, `${size} bytes`)

    const second = await CacheFS.open(await copyOf(local), behind, options)
    await second.wait()
    assert.deepEqual(await everything(behind), [
      '/folder/',
      '/folder/link -> moved',
      `/folder/moved ${(0o600 + (2999 % 0o100)).toString(8)} known`,
    ])
    await second.close()
    await first.close()
  })

  test('on a full disk, changes that cannot be recorded are rejected', async () => {
    const [local, behind, place] = [new MemoryFS(), new MemoryFS(), new MemoryFS()]
    let isFull = false
    const journal = new Proxy(place, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'open') return value.bind(target) as unknown
        return async (...args: Parameters<MemoryFS['open']>) => {
          const handle = await target.open(...args)
          const write = handle.write.bind(handle)
          // Allocated blocks can be overwritten, and a new write may be partial.
          const limited = async (bytes: Uint8Array, offset = 0, length = bytes.length, at = 0) => {
            const room = isFull ? Math.floor(((await handle.stat()).size - at) * 1.01) : Infinity
            const written = await write(bytes, offset, Math.min(length, Math.max(0, room)), at)
            if (length > room) throw new FsError('ENOSPC', 'the disk is full')
            return written
          }
          return Object.assign(handle, { write: limited })
        }
      },
    })
    const remote = faultyFS(behind)
    remote.fault = (call) => (call === 'lstat' ? undefined : down())
    const first = await CacheFS.open(local, remote.files, { ...options, journal })
    await first.mkdir('/before')
    await first.writeFile('/content', 'old')
    isFull = true
    const made: string[] = []
    const fill = async (): Promise<void> => {
      for (let i = 0; ; i++) {
        await first.mkdir(`/during-${i}`)
        made.push(`during-${i}`)
      }
    }
    await assert.rejects(fill, { code: 'ENOSPC' })
    assert.ok(made.length > 0)
    await assert.rejects(first.writeFile('/refused', 'x'), { code: 'ENOSPC' })
    // Lines that need no new space, or complete a change, can still be written.
    await first.rename('/before', '/renamed')
    await first.unlink('/content')
    isFull = false
    await first.mkdir('/after')
    await first.writeFile('/after/file', 'text')
    await first.close()
    const second = await CacheFS.open(local, behind, { ...options, journal: place })
    await second.wait()
    assert.deepEqual((await behind.readdir('/')).sort(), ['after', 'renamed', ...made].sort())
    assert.equal(await behind.readFile('/after/file', 'utf8'), 'text')
    await second.close()
  })
})

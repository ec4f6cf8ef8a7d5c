/** Read-through: which reads send requests to the remote, and which do not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FsError } from '../../src/base/fs-error.ts'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import type { CacheOptions } from '../../src/cachefs/cache-options.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { down, faultyFS } from '../fixtures/faulty-fs.ts'
import type { FaultyFS } from '../fixtures/faulty-fs.ts'

interface Setup extends AsyncDisposable {
  files: CacheFS
  local: MemoryFS
  /** Changes the remote without the cache. */
  behind: MemoryFS
  remote: FaultyFS
  clock: { nowMs: number }
}

function setUp(options: CacheOptions = {}): Setup {
  const [local, behind] = [new MemoryFS(), new MemoryFS()]
  const remote = faultyFS(behind)
  const clock = { nowMs: Date.now() }
  const files = new CacheFS(local, remote.files, {
    ttlMs: 1000,
    negativeTtlMs: 500,
    retryBaseMs: 1,
    now: () => clock.nowMs,
    ...options,
  })
  return { files, local, behind, remote, clock, [Symbol.asyncDispose]: () => files.close() }
}

const fetches = ({ remote }: Setup): number => {
  return remote.calls.filter((it) => it.startsWith('content ')).length
}

test('a file is fetched once, served until it expires, and then revalidated', async () => {
  await using it = setUp()
  const { files, behind, clock, local } = it
  await behind.writeFile('/file', 'one')
  assert.deepEqual(files.status('/file'), {
    cached: false,
    cachedBytes: 0,
    valid: false,
    expiresAt: undefined,
    pending: false,
  })
  assert.equal(await files.readFile('/file', 'utf8'), 'one')
  assert.equal(await local.readFile('/file', 'utf8'), 'one')
  const { cached, valid, expiresAt } = files.status('/file')
  assert.deepEqual([cached, valid, expiresAt?.getTime()], [true, true, clock.nowMs + 1000])
  const { length } = it.remote.calls
  assert.equal(await files.readFile('/file', 'utf8'), 'one')
  assert.equal(it.remote.calls.length, length, 'a valid copy sends no request')
  clock.nowMs += 1001
  assert.equal(files.status('/file').valid, false)
  assert.equal(await files.readFile('/file', 'utf8'), 'one')
  assert.deepEqual(
    it.remote.calls.slice(length),
    ['lstat /file'],
    'unchanged content is not fetched again',
  )
  assert.equal(files.counters.unchanged, 1)
  await behind.writeFile('/file', 'two')
  assert.equal(await files.readFile('/file', 'utf8'), 'one', 'valid until it expires')
  clock.nowMs += 1001
  assert.equal(await files.readFile('/file', 'utf8'), 'two')
})

test('invalidate, clear, expire, and a changed ttlMs take effect', async () => {
  await using it = setUp()
  const { files, behind, clock, local } = it
  await behind.mkdir('/dir')
  await behind.writeFile('/dir/file', 'one')
  await files.readFile('/dir/file')
  await behind.writeFile('/dir/file', 'two')
  files.invalidate('/dir')
  assert.equal(await files.readFile('/dir/file', 'utf8'), 'two')
  await files.clear()
  assert.equal(files.status('/dir/file').cached, false)
  assert.equal(files.counters.bytes, 0)
  await assert.rejects(local.stat('/dir/file'), { code: 'ENOENT' })
  assert.equal(await files.readFile('/dir/file', 'utf8'), 'two')
  assert.equal(await files.expire(), 0)
  files.ttlMs = 10
  clock.nowMs += 11
  assert.equal(files.status('/dir/file').valid, false)
  assert.ok((await files.expire()) >= 1)
  assert.equal(files.status('/dir/file').cached, false)
  assert.throws(() => (files.ttlMs = -1), { code: 'EINVAL' })
})

test('absent names are cached as well, for a shorter time', async () => {
  await using it = setUp()
  const { files, behind, clock, remote } = it
  await assert.rejects(files.stat('/none'), { code: 'ENOENT' })
  const { length } = remote.calls
  await assert.rejects(files.stat('/none'), { code: 'ENOENT' })
  assert.equal(remote.calls.length, length)
  await behind.writeFile('/none', 'x')
  clock.nowMs += 501
  assert.equal((await files.stat('/none')).size, 1)
  // A listing shows for each name whether it exists.
  await files.readdir('/')
  const asked = remote.calls.length
  await assert.rejects(files.stat('/other'), { code: 'ENOENT' })
  assert.equal(remote.calls.length, asked)
})

test('a thousand readers of an uncached file cost one lookup and one fetch', async () => {
  await using it = setUp({ blockBytes: 1000 })
  await it.behind.writeFile('/file', 'x'.repeat(2500))
  const all = await Promise.all(Array.from({ length: 1000 }, () => it.files.readFile('/file')))
  assert.ok(all.every((data) => data.length === 2500))
  assert.deepEqual(it.remote.calls, ['lstat /file', ...Array<string>(3).fill('content /file')])
})

test('reading a part of a large file fetches its blocks and some readahead', async () => {
  await using it = setUp({ blockBytes: 1000 })
  const data = Buffer.from(Array.from({ length: 50_000 }, (_, i) => i % 251))
  await it.behind.writeFile('/file', data)
  await using handle = await it.files.open('/file')
  const buffer = Buffer.alloc(10)
  await handle.read(buffer, 0, 10, 30_500)
  assert.ok(buffer.equals(data.subarray(30_500, 30_510)))
  assert.equal(fetches(it), 1)
  assert.equal(it.files.status('/file').cachedBytes, 1000)
  assert.equal((await it.local.stat('/file')).size, 50_000)
  assert.ok(data.equals(await handle.readFile()))
  assert.equal(fetches(it), 50)
})

test('staleWhileRevalidateMs serves expired entries during revalidation', async () => {
  await using it = setUp({ staleWhileRevalidateMs: 5000 })
  const { files, behind, clock } = it
  await behind.writeFile('/file', 'one')
  await files.readFile('/file')
  await behind.writeFile('/file', 'two')
  clock.nowMs += 2000
  const gate = Promise.withResolvers<undefined>()
  it.remote.fault = () => gate.promise
  assert.equal(await files.readFile('/file', 'utf8'), 'one')
  gate.resolve(undefined)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(await files.readFile('/file', 'utf8'), 'two')
  clock.nowMs += 7000
  await behind.writeFile('/file', 'three')
  assert.equal(await files.readFile('/file', 'utf8'), 'three', 'too old to be served')
})

test('staleIfErrorMs serves expired entries while the remote is unreachable', async () => {
  await using it = setUp({ staleIfErrorMs: 5000 })
  const { files, behind, clock, remote } = it
  await behind.writeFile('/file', 'one')
  await files.readFile('/file')
  remote.fault = down
  clock.nowMs += 2000
  assert.equal(await files.readFile('/file', 'utf8'), 'one')
  assert.ok(files.counters.stale > 0)
  clock.nowMs += 5000
  await assert.rejects(files.readFile('/file'), { code: 'EIO', path: '/file' })
  await assert.rejects(files.readFile('/other'), { code: 'EIO' })
  remote.fault = () => undefined
  assert.equal(await files.readFile('/file', 'utf8'), 'one')
})

test('a reader of a replaced file never gets a mix of two versions', async () => {
  await using it = setUp({ blockBytes: 1000, ttlMs: 0 })
  const { files, behind, remote } = it
  await behind.writeFile('/file', 'a'.repeat(5000))
  let blocks = 0
  remote.fault = async (call) => {
    if (call === 'content' && ++blocks === 3) await behind.writeFile('/file', 'b'.repeat(6000))
    return undefined
  }
  const text = await files.readFile('/file', 'utf8')
  assert.match(text, /^(a{5000}|b{6000})$/)
  // A handle opened before the replacement keeps the blocks that it has.
  await behind.writeFile('/file', 'c'.repeat(5000))
  await using handle = await files.open('/file')
  await handle.read(Buffer.alloc(10), 0, 10, 0)
  await behind.writeFile('/file', 'd'.repeat(5000))
  await files.stat('/file')
  await assert.rejects(handle.read(Buffer.alloc(10), 0, 10, 4500), { code: 'ESTALE' })
})

test('eviction removes the least recently used files, but no open or pending ones', async () => {
  await using it = setUp({ maxBytes: 3000, ttlMs: 1e9 })
  const { files, behind, remote } = it
  for (const name of ['a', 'b', 'c', 'd']) await behind.writeFile(`/${name}`, name.repeat(1000))
  await using handle = await files.open('/a')
  await handle.readFile()
  for (const name of ['b', 'c', 'd']) await files.readFile(`/${name}`)
  await files.wait()
  assert.ok(files.counters.bytes <= 3000)
  const cached = ['a', 'b', 'c', 'd'].map((name) => files.status(`/${name}`).cached)
  assert.deepEqual(cached, [true, false, true, true])
  remote.fault = (call) => (call === 'replace' ? down() : undefined)
  await files.writeFile('/e', 'e'.repeat(2900))
  await files.readFile('/b')
  await files.wait()
  assert.ok(files.status('/e').cached && files.status('/e').pending)
  assert.equal(await files.readFile('/e', 'utf8'), 'e'.repeat(2900))
  remote.fault = () => undefined
  files.retry()
  await files.wait()
  assert.equal((await behind.readFile('/e')).length, 2900)
})

test('an abort ends only the wait of its caller', async () => {
  await using it = setUp()
  await it.behind.writeFile('/file', 'x')
  const gate = Promise.withResolvers<undefined>()
  it.remote.fault = () => gate.promise
  const controller = new AbortController()
  const impatient = it.files.readFile('/file', { signal: controller.signal })
  const patient = it.files.readFile('/file', 'utf8')
  controller.abort()
  await assert.rejects(impatient, { code: 'ECANCELED' })
  gate.resolve(undefined)
  assert.equal(await patient, 'x')
})

test('errors of the remote are passed on as causes', async () => {
  await using it = setUp()
  const cause = new FsError('EACCES', 'no entry')
  it.remote.fault = () => cause
  const error = await it.files.readFile('/file').catch((got: unknown) => got)
  assert.ok(error instanceof FsError)
  assert.deepEqual([error.code, error.path, error.cause], ['EACCES', '/file', cause])
})

/** Write-back: what reaches the remote, in which order, and how failures are handled. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FsError } from '../../src/base/fs-error.ts'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import type { BackgroundError } from '../../src/cachefs/background-errors.ts'
import type { CacheOptions } from '../../src/cachefs/cache-options.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { down, faultyFS } from '../fixtures/faulty-fs.ts'
import type { FaultyFS } from '../fixtures/faulty-fs.ts'

interface Setup {
  files: CacheFS
  local: MemoryFS
  behind: MemoryFS
  remote: FaultyFS
  changes: () => string[]
}

function setUp(options: CacheOptions = {}): Setup {
  const [local, behind] = [new MemoryFS(), new MemoryFS()]
  const remote = faultyFS(behind)
  const files = new CacheFS(local, remote.files, { retryBaseMs: 1, attempts: 3, ...options })
  const looks = /^(lstat|list|content|readlink)/
  const changes = (): string[] => remote.calls.filter((it) => !looks.test(it))
  return { files, local, behind, remote, changes }
}

/** Each change waits until the gate is opened. */
function gate(remote: FaultyFS): () => void {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  remote.fault = (call) => (/lstat|list|content/.test(call) ? undefined : promise)
  return () => resolve(undefined)
}

test('a write is on the local side at once and at the remote after wait()', async () => {
  const { files, local, behind, remote } = setUp()
  const open = gate(remote)
  await files.mkdir('/dir')
  await files.writeFile('/dir/file', 'content')
  assert.equal(await local.readFile('/dir/file', 'utf8'), 'content')
  assert.equal(files.status('/dir/file').pending, true)
  await assert.rejects(behind.stat('/dir'), { code: 'ENOENT' })
  assert.equal(await files.readFile('/dir/file', 'utf8'), 'content')
  open()
  await files.wait()
  assert.equal(await behind.readFile('/dir/file', 'utf8'), 'content')
  assert.deepEqual(
    [files.status('/dir/file').pending, files.status('/dir/file').valid],
    [false, true],
  )
  await files.close()
})

test('changes of one path run in order, others in parallel', async () => {
  const { files, behind, remote, changes } = setUp()
  const open = gate(remote)
  await files.writeFile('/a', '1')
  for (let i = 0; i < 5; i++) await files.writeFile(`/other${i}`, 'x')
  while (changes().length < 6) await new Promise((resolve) => setImmediate(resolve))
  await files.rename('/a', '/b')
  await files.writeFile('/a', '2')
  await files.unlink('/b')
  await files.mkdir('/b')
  open()
  await files.wait()
  const ofPath = changes().filter((it) => / \/(a|b)$/.test(it))
  assert.deepEqual(ofPath.slice(0, 2), ['replace /a', 'rename /a'])
  assert.deepEqual(
    ofPath.filter((it) => it.endsWith('/b')),
    ['unlink /b', 'mkdir /b'],
  )
  assert.equal(await behind.readFile('/a', 'utf8'), '2')
  assert.ok((await behind.stat('/b')).isDirectory())
  await files.close()
})

test('a directory is created before its content and removed after it', async () => {
  const { files, behind, changes } = setUp()
  await files.mkdir('/x/y/z', { recursive: true })
  await Promise.all([1, 2, 3].map((i) => files.writeFile(`/x/y/z/${i}`, String(i))))
  await files.wait()
  assert.equal((await behind.readdir('/x/y/z')).length, 3)
  await files.rm('/x', { recursive: true })
  await files.wait()
  assert.deepEqual(await behind.readdir('/'), [])
  assert.deepEqual(changes().slice(-3), ['rmdir /x/y/z', 'rmdir /x/y', 'rmdir /x'])
  assert.deepEqual(files.errors(), [])
  await files.close()
})

test('superseded changes are not sent', async () => {
  const { files, behind, remote, changes } = setUp({ concurrency: 1 })
  const open = gate(remote)
  await files.writeFile('/busy', 'x')
  for (let i = 0; i < 50; i++) await files.writeFile('/file', String(i))
  await files.writeFile('/temporary', 'x')
  await files.unlink('/temporary')
  await files.writeFile('/file.tmp', 'final')
  await files.rename('/file.tmp', '/renamed')
  open()
  await files.wait()
  assert.equal(await behind.readFile('/file', 'utf8'), '49')
  assert.equal(await behind.readFile('/renamed', 'utf8'), 'final')
  // The remote may have had the file that was removed.
  assert.deepEqual(changes(), [
    'replace /busy',
    'replace /file',
    'replace /file.tmp',
    'unlink /temporary',
    'rename /file.tmp',
  ])
  assert.ok(files.counters.coalesced > 40)
  await files.close()
})

test('failures are retried; lasting ones are reported, kept and retried later', async () => {
  const seen: BackgroundError[] = []
  const lines: string[] = []
  const log = ({ path, err }: { path?: string; err?: unknown }, message: string): void => {
    lines.push(`${message}, ${path}: ${String(err)}`)
  }
  const logger = { warn: log, error: log }
  const { files, behind, remote } = setUp({ logger, retryMaxMs: 60_000, retryBaseMs: 2 })
  files.on('error', (error) => seen.push(error))
  files.on('error', () => {
    throw new Error('a listener that is broken')
  })
  let failures = 0
  remote.fault = (call) => (call === 'replace' && failures++ < 2 ? down() : undefined)
  await files.writeFile('/file', 'one')
  await files.wait()
  assert.equal(await behind.readFile('/file', 'utf8'), 'one')
  assert.deepEqual(files.errors(), [])
  remote.fault = (call) => (call === 'replace' ? down() : undefined)
  await files.writeFile('/file', 'two')
  await files.wait()
  const [error] = files.errors()
  assert.deepEqual([error?.operation, error?.path, error?.willRetry], ['write', '/file', true])
  assert.ok(error?.cause instanceof FsError)
  assert.equal(seen.length, 1)
  assert.match(lines.join(), /write of \/file failed.*the remote is away/)
  assert.equal(files.counters.stalled, 1)
  assert.equal(await files.readFile('/file', 'utf8'), 'two', 'it is not lost')
  await assert.rejects(files.close(), { code: 'EIO' })
})

test('changes made while the remote is unreachable arrive when it is back', async () => {
  const { files, behind, remote } = setUp()
  await behind.mkdir('/dir')
  await files.readdir('/dir')
  remote.fault = down
  await files.writeFile('/dir/file', 'x')
  await files.mkdir('/dir/sub')
  await files.writeFile('/dir/sub/file', 'y')
  await files.writeFile('/unknown', 'z')
  await files.rename('/dir/sub', '/dir/moved')
  assert.equal(await files.readFile('/dir/moved/file', 'utf8'), 'y')
  await files.wait()
  assert.ok(files.counters.stalled > 0)
  remote.fault = () => undefined
  files.retry()
  await files.wait()
  assert.equal(await behind.readFile('/dir/moved/file', 'utf8'), 'y')
  assert.equal(await behind.readFile('/unknown', 'utf8'), 'z')
  assert.equal(await behind.readFile('/dir/file', 'utf8'), 'x')
  await files.close()
})

test('names can be created in a stale directory while the remote is unreachable', async () => {
  let nowMs = Date.now()
  const ttl = { ttlMs: 1000, staleIfErrorMs: 3_600_000, now: () => nowMs }
  const { files, behind, remote } = setUp(ttl)
  await behind.mkdir('/listed')
  await behind.writeFile('/listed/theirs', 'theirs')
  await behind.mkdir('/unknown')
  await files.readdir('/')
  await files.readdir('/listed')
  await files.mkdir('/ours')
  await files.wait()
  nowMs += 60_000
  remote.fault = down
  await assert.rejects(files.stat('/unknown/file'), { code: 'EIO' }, 'nothing is cached of it')
  await assert.rejects(files.stat('/listed/new'), { code: 'ENOENT' })
  await files.writeFile('/listed/new', 'new', { flag: 'wx' })
  await files.mkdir('/listed/folder')
  await files.writeFile('/ours/file', 'ours')
  await files.rename('/listed/new', '/ours/moved')
  await assert.rejects(files.mkdir('/listed/theirs'), { code: 'EEXIST' })
  assert.equal(await files.readFile('/ours/moved', 'utf8'), 'new')
  await files.wait()
  remote.fault = () => undefined
  files.retry()
  await files.wait()
  assert.equal(await behind.readFile('/ours/moved', 'utf8'), 'new')
  assert.deepEqual((await behind.readdir('/listed')).sort(), ['folder', 'theirs'])
  await behind.writeFile('/listed/later', 'theirs')
  nowMs += 60_000
  assert.equal(await files.readFile('/listed/later', 'utf8'), 'theirs', 'asked again')
  await files.close()
})

test('a final rejection is reported, and the state of the remote applies again', async () => {
  const { files, behind, remote } = setUp()
  await behind.mkdir('/dir')
  remote.fault = (call) => (call === 'rmdir' ? new FsError('EACCES', 'no') : undefined)
  await files.rmdir('/dir')
  await files.wait()
  const [error] = files.errors()
  assert.deepEqual([error?.operation, error?.path, error?.willRetry], ['rmdir', '/dir', false])
  assert.ok((await files.stat('/dir')).isDirectory())
  await files.close()
})

const OUTCOMES = {
  'local wins': { file: 'ours', names: ['file.txt'] },
  'remote wins': { file: 'theirs', names: ['file.txt'] },
  'keep both': { file: 'theirs', names: ['file.conflict', 'file.txt'] },
} as const

for (const [conflict, { file, names }] of Object.entries(OUTCOMES)) {
  test(`a file changed on both sides: ${conflict}`, async () => {
    const { files, behind } = setUp({ conflict: conflict as keyof typeof OUTCOMES })
    await behind.writeFile('/file.txt', 'before')
    assert.equal(await files.readFile('/file.txt', 'utf8'), 'before')
    await behind.writeFile('/file.txt', 'theirs')
    await files.writeFile('/file.txt', 'ours')
    await files.wait()
    assert.equal(await behind.readFile('/file.txt', 'utf8'), file)
    assert.equal(await files.readFile('/file.txt', 'utf8'), file)
    const found = (await files.readdir('/')).sort()
    assert.deepEqual(
      found.map((it) => it.replace(/conflict-.*/, 'conflict')),
      names,
    )
    assert.equal(files.counters.conflicts, conflict === 'local wins' ? 0 : 1)
    // Without a conflict, all changes are applied.
    await files.writeFile('/file.txt', 'again')
    await files.wait()
    assert.equal(await behind.readFile('/file.txt', 'utf8'), 'again')
    await files.close()
  })
}

for (const conflict of ['local wins', 'remote wins', 'keep both'] as const) {
  test(`a file that is renamed and created again is no conflict: ${conflict}`, async () => {
    const { files, behind, remote } = setUp({ conflict })
    await behind.writeFile('/log', 'old')
    assert.equal(await files.readFile('/log', 'utf8'), 'old')
    const open = gate(remote)
    await files.rename('/log', '/log.1')
    await files.writeFile('/log', 'new', { mode: 0o600 })
    open()
    await files.wait()
    assert.equal(files.counters.conflicts, 0)
    assert.equal(await behind.readFile('/log', 'utf8'), 'new')
    assert.equal(await behind.readFile('/log.1', 'utf8'), 'old')
    assert.equal((await behind.stat('/log')).mode & 0o777, 0o600)
    await files.close()
  })
}

test('a new file renamed over another one keeps its own mode and owner', async () => {
  const { files, behind } = setUp()
  await behind.writeFile('/file', 'old', { mode: 0o644 })
  await files.readFile('/file')
  await files.writeFile('/file.new', 'new', { mode: 0o600 })
  await files.chown('/file.new', 12, 34)
  await files.rename('/file.new', '/file')
  await files.wait()
  const { mode, uid, gid } = await behind.stat('/file')
  assert.deepEqual([mode & 0o777, uid, gid], [0o600, 12, 34])
  assert.equal(await behind.readFile('/file', 'utf8'), 'new')
  await files.close()
})

test('a file that is written all the time arrives in states that it had', async () => {
  const { files, behind, remote } = setUp()
  const states = new Set<string>()
  remote.fault = async (call) => {
    if (call === 'replace') await new Promise((resolve) => setTimeout(resolve, 1))
    return undefined
  }
  await using handle = await files.open('/log', 'w')
  for (let i = 0; i < 200; i++) {
    await handle.write(`${i % 10}`.repeat(3000), 0)
    if (i % 20 === 0) await handle.sync()
    await new Promise((resolve) => setImmediate(resolve))
    states.add(await behind.readFile('/log', 'utf8').catch(() => ''))
  }
  await handle.close()
  await files.wait()
  for (const state of states) assert.match(state, /^$|^(\d)\1{2999}$/)
  assert.equal(await behind.readFile('/log', 'utf8'), '9'.repeat(3000))
  await files.close()
})

test('reserved names are EPERM, and a closed cache is EBADF', async () => {
  const { files } = setUp()
  await assert.rejects(files.writeFile('/.cachefs', 'x'), { code: 'EPERM' })
  await assert.rejects(files.mkdir('/.cachefs'), { code: 'EPERM' })
  await files.close()
  await files.close()
  await assert.rejects(files.stat('/'), { code: 'EBADF' })
  assert.throws(() => new CacheFS(new MemoryFS(), new MemoryFS(), { blockBytes: 0 }), {
    code: 'EINVAL',
  })
})

test('content of a renamed file that the remote has lost is sent until it arrives', async () => {
  const { files, behind, remote } = setUp()
  await behind.writeFile('/old', 'content')
  await files.readFile('/old')
  await behind.unlink('/old')
  let failures = 0
  remote.fault = (call) => (call === 'replace' && failures++ === 0 ? down() : undefined)
  await files.rename('/old', '/new')
  await files.wait()
  assert.equal(failures, 2)
  assert.equal(await behind.readFile('/new', 'utf8'), 'content')
  assert.equal(files.status('/new').pending, false)
  await files.close()
})

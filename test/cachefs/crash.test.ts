/**
 * Repeated kill -9 of a process with a journaled cache: operations that it completed are visible to
 * the next process and reach the remote; the interrupted operation happened completely or not.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import type { FileSystem } from '../../src/filesystem/file-system.ts'
import { LocalFS } from '../../src/filesystem/local/local-fs.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { down, faultyFS } from '../fixtures/faulty-fs.ts'
import { Random } from '../fixtures/random.ts'

interface Step {
  try?: string
  did?: string
  one: string
  two?: string
  text?: string
  size?: number
}

const ROUNDS = 12

function play(model: Map<string, string>, step: Step): void {
  const { try: tried, did = tried, one, two, text, size } = step
  const before = model.get(one)
  if (did === 'truncate' && before !== undefined) model.set(one, before.slice(0, size))
  if (did === 'copy' && two !== undefined && before !== undefined) model.set(two, before)
  if (did === 'write' && text !== undefined) model.set(one, text)
  if (did === 'unlink' || did === 'rename') model.delete(one)
  if (did === 'rename' && two !== undefined && before !== undefined) model.set(two, before)
}

/** Runs until it is killed: its completed operations, and the last one that it started. */
async function runAndKill(folder: string, seed: number, afterMs: number): Promise<Step[]> {
  const script = join(import.meta.dirname, 'journaled-process.ts')
  const places = ['local', 'remote', 'steps'].map((name) => join(folder, name))
  const child = spawn(process.execPath, [script, ...places, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), afterMs))
  await exit
  const lines = (await readFile(join(folder, 'steps'), 'utf8')).split('\n')
  // A line that the kill truncated does not count.
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as Step)
}

async function contents(files: FileSystem): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const name of await files.readdir('/', { recursive: true })) {
    const path = `/${name}`
    if (name.includes('.cachefs') || (await files.stat(path)).isDirectory()) continue
    found.set(path, await files.readFile(path, 'utf8'))
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

const sorted = (model: Map<string, string>): Map<string, string> => {
  return new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1)))
}

test('no completed operation is lost by kill -9', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cachefs-journal-'))
  for (const name of ['local', 'remote']) await mkdir(join(folder, name))
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  let model = new Map<string, string>()
  for (let round = 1; round <= ROUNDS; round++) {
    const steps = await runAndKill(folder, random.below(2 ** 31), random.below(150))
    for (const step of steps) if (step.did !== undefined) play(model, step)
    const last = steps.at(-1)
    const other = new Map(model)
    if (last?.try !== undefined) play(other, last)
    const remote = new LocalFS(join(folder, 'remote'))
    const local = new LocalFS(join(folder, 'local'))
    await using files = await CacheFS.open(local, remote, { journal: true })
    const found = await contents(files)
    if (last?.try === 'write') {
      // A write has several steps: the file may also be partial.
      for (const it of [found, other, model]) it.delete(last.one)
      await files.rm(last.one, { force: true })
    }
    const isBefore = JSON.stringify([...found]) === JSON.stringify([...sorted(model)])
    if (!isBefore) assert.deepEqual(found, sorted(other), `round ${round}`)
    model = found
    await files.wait()
    assert.deepEqual(files.errors(), [], `round ${round}`)
    assert.deepEqual(await contents(remote), found, `round ${round}`)
  }
  await rm(folder, { recursive: true })
})

test('the next process sends what had not reached the remote', async () => {
  const [local, behind] = [new MemoryFS(), new MemoryFS()]
  const away = faultyFS(behind)
  const options = { journal: true, retryBaseMs: 1, attempts: 2 }
  await behind.writeFile('/known', 'cached')
  await behind.writeFile('/old', 'x')
  const first = new CacheFS(local, away.files, options)
  assert.equal(await first.readFile('/known', 'utf8'), 'cached')
  await first.readdir('/')
  await first.readFile('/old')
  await first.wait()
  away.fault = down
  await first.mkdir('/dir')
  await first.writeFile('/dir/a', 'one', { mode: 0o600 })
  await first.rename('/dir/a', '/dir/b')
  await first.chmod('/dir/b', 0o640)
  await first.unlink('/old')
  await first.symlink('dir/b', '/link')
  await first.close()
  assert.deepEqual((await behind.readdir('/')).sort(), ['known', 'old'])
  const remote = faultyFS(behind)
  const second = await CacheFS.open(local, remote.files, options)
  assert.deepEqual(second.status('/known').cached, true)
  assert.equal(await second.readFile('/link', 'utf8'), 'one')
  await second.wait()
  assert.equal(await second.readFile('/known', 'utf8'), 'cached')
  assert.ok(!remote.calls.includes('content /known'), 'the earlier copy is still valid')
  assert.deepEqual((await behind.readdir('/', { recursive: true })).sort(), [
    'dir',
    'dir/b',
    'known',
    'link',
  ])
  assert.equal(await behind.readFile('/dir/b', 'utf8'), 'one')
  assert.equal((await behind.stat('/dir/b')).mode & 0o777, 0o640)
  await second.close()
})

test('a damaged journal is used up to the damage', async () => {
  const [local, remote] = [new MemoryFS(), new MemoryFS()]
  await remote.writeFile('/file', 'content')
  const first = new CacheFS(local, remote, { journal: true })
  await first.readFile('/file')
  await first.close()
  await local.appendFile('/.cachefs/journal', 'deadbeef {"copy":{}}\nrubbish')
  const away = faultyFS(remote)
  away.fault = down
  const options = { journal: true, retryBaseMs: 1, attempts: 1 }
  const second = await CacheFS.open(local, away.files, options)
  assert.equal(second.status('/file').cached, true)
  await second.writeFile('/new', 'written behind the damage')
  await second.close()
  const third = await CacheFS.open(local, remote, { journal: true })
  await third.wait()
  assert.equal(await remote.readFile('/new', 'utf8'), 'written behind the damage')
  await third.close()
})

test('the size of content that was sent is not expected of later content', async () => {
  const [local, remote] = [new MemoryFS(), new MemoryFS()]
  const first = await CacheFS.open(local, remote, { journal: true })
  await first.writeFile('/file', 'sent before')
  await first.wait()
  await first.close()
  // It is killed after it opened, and truncated, the file.
  const killed = await CacheFS.open(local, remote, { journal: true })
  await killed.open('/file', 'w')
  await using files = await CacheFS.open(local, remote, { journal: true })
  assert.equal(await files.readFile('/file', 'utf8'), '')
  await files.wait()
  assert.deepEqual(files.errors(), [])
  assert.equal(await remote.readFile('/file', 'utf8'), '')
})

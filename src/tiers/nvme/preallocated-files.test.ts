/** Preallocated files: each is taken once and empty; their absence fails nothing. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { TakerSetup } from '../../../test/fixtures/preallocated-taker.ts'
import { limits } from '../../limits.ts'
import { BackingFiles } from './backing-files.ts'
import { PreallocatedFiles } from './preallocated-files.ts'

class Scratch implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'cachefs-spares-'))
  readonly preallocated = join(this.directory, 'spare')
  /** Head and tail, as a node allocates them when it starts. */
  numbers = new BigInt64Array(new SharedArrayBuffer(16))

  constructor() {
    BackingFiles.prepare(this.directory)
  }

  /** `fresh`: as after a start of the node; else as another thread of the same process. */
  preallocatedFiles({ fresh = false } = {}): PreallocatedFiles {
    if (fresh) this.numbers = new BigInt64Array(new SharedArrayBuffer(16))
    return new PreallocatedFiles(this.directory, this.numbers)
  }

  /** With one batch of files. */
  begun(): PreallocatedFiles {
    const preallocatedFiles = this.preallocatedFiles()
    preallocatedFiles.fill()
    return preallocatedFiles
  }

  filled(): PreallocatedFiles {
    const preallocatedFiles = this.preallocatedFiles()
    while (preallocatedFiles.fill());
    return preallocatedFiles
  }

  /** Takes a file to `name`; returns its inode, undefined if none was available. */
  take(preallocatedFiles: PreallocatedFiles, name: string): number | undefined {
    const path = this.target(name)
    const fd = preallocatedFiles.take(path)
    if (fd < 0) return undefined
    const [opened, there] = [fstatSync(fd), statSync(path)]
    closeSync(fd)
    assert.equal(opened.ino, there.ino)
    assert.equal(opened.size, 0)
    assert.equal(there.mode & 0o7777, 0o600)
    return there.ino
  }

  target(name: string): string {
    return join(this.directory, 'data', name)
  }

  /** Names of the preallocated files on disk. */
  names(): string[] {
    return readdirSync(this.preallocated).sort((a, b) => Number(a) - Number(b))
  }

  inode(name: string): number {
    return statSync(join(this.preallocated, name)).ino
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

test('a preallocated file becomes the new file, and another one is made', () => {
  using scratch = new Scratch()
  const preallocatedFiles = scratch.filled()
  const names = scratch.names()
  assert.ok(names.length > 0 && names.length <= limits.preallocatedMost)
  const first = scratch.inode('0')
  assert.equal(scratch.take(preallocatedFiles, 'a'), first)
  assert.ok(!existsSync(join(scratch.preallocated, '0')))
  while (preallocatedFiles.fill());
  assert.deepEqual(
    scratch.names(),
    names.map((name) => String(Number(name) + 1)),
  )
})

test('without preallocated files, the backing file is created directly', () => {
  using scratch = new Scratch()
  const preallocatedFiles = scratch.preallocatedFiles()
  assert.equal(scratch.take(preallocatedFiles, 'a'), undefined)
  assert.ok(!existsSync(scratch.target('a')))
  const files = new BackingFiles(
    scratch.directory,
    { generationOf: () => 0, epoch: () => 0 },
    preallocatedFiles,
  )
  files.write(5, Buffer.from('made'), 0)
  files.close()
  assert.equal(readFileSync(files.path(5), 'utf8'), 'made')
})

test('an inode takes one preallocated file, and an existing file stays', () => {
  using scratch = new Scratch()
  const preallocatedFiles = scratch.begun()
  const open = (): BackingFiles =>
    new BackingFiles(
      scratch.directory,
      { generationOf: () => 0, epoch: () => 0 },
      preallocatedFiles,
    )
  const [one, two] = [open(), open()]
  const first = scratch.inode('0')
  one.write(5, Buffer.from('one'), 0)
  two.write(5, Buffer.from('two'), 3)
  assert.equal(statSync(one.path(5)).ino, first)
  assert.ok(existsSync(join(scratch.preallocated, '1')))
  one.close()
  two.close()
  assert.equal(readFileSync(one.path(5), 'utf8'), 'onetwo')
})

test('a missing number is skipped', () => {
  using scratch = new Scratch()
  const preallocatedFiles = scratch.begun()
  const second = scratch.inode('1')
  unlinkSync(join(scratch.preallocated, '0'))
  assert.equal(scratch.take(preallocatedFiles, 'a'), undefined)
  assert.equal(scratch.take(preallocatedFiles, 'b'), second)
})

test('a preallocated file that cannot be renamed is removed, and no other', () => {
  using scratch = new Scratch()
  const preallocatedFiles = scratch.begun()
  assert.equal(preallocatedFiles.take(join(scratch.directory, 'no such folder', 'a')), -1)
  assert.ok(!existsSync(join(scratch.preallocated, '0')))
  assert.ok(existsSync(join(scratch.preallocated, '1')))
})

test('files of an earlier process are adopted unless they were used', () => {
  using scratch = new Scratch()
  mkdirSync(scratch.preallocated)
  const leave = (name: string, content = '', mode = 0o600): void => {
    writeFileSync(join(scratch.preallocated, name), content, { mode })
  }
  for (const name of ['7', '8', '11', '12', '13', '14', '15']) leave(name)
  leave('10', 'bytes')
  leave('12', 'bytes')
  leave('009')
  leave('20x')
  leave('99', '', 0o644)
  leave(String(7 + limits.preallocatedMost))
  mkdirSync(join(scratch.preallocated, '13x'))
  leave('13x/inside', 'bytes')
  linkSync(join(scratch.preallocated, '14'), scratch.target('another name'))
  utimesSync(join(scratch.preallocated, '15'), 1, 1)
  writeFileSync(join(scratch.directory, 'data', '00', 'new'), 'half made')
  const [seven, eight] = [scratch.inode('7'), scratch.inode('8')]

  const preallocatedFiles = scratch.preallocatedFiles({ fresh: true })
  preallocatedFiles.takeOver()
  assert.deepEqual(scratch.names(), ['7', '8', '11', '13'])
  assert.ok(!existsSync(join(scratch.directory, 'data', '00', 'new')))
  assert.equal(scratch.take(preallocatedFiles, 'a'), seven)
  assert.equal(scratch.take(preallocatedFiles, 'b'), eight)
  preallocatedFiles.fill()
  assert.ok(scratch.names().every((name) => statSync(join(scratch.preallocated, name)).size === 0))
})

test('a file in the way of a new preallocated file is not used', () => {
  using scratch = new Scratch()
  mkdirSync(scratch.preallocated)
  writeFileSync(join(scratch.preallocated, '0'), 'bytes')
  writeFileSync(join(scratch.directory, 'data', '00', 'new'), 'bytes')
  const preallocatedFiles = scratch.preallocatedFiles()
  assert.equal(preallocatedFiles.fill(), false, 'nothing could be made')
  preallocatedFiles.fill()
  assert.notEqual(scratch.take(preallocatedFiles, 'a'), undefined)
})

test('the directory, or the whole disk, may disappear', () => {
  using scratch = new Scratch()
  const preallocatedFiles = scratch.begun()
  rmSync(scratch.preallocated, { recursive: true })
  assert.equal(scratch.take(preallocatedFiles, 'a'), undefined)
  preallocatedFiles.fill()
  assert.notDeepEqual(scratch.names(), [])
  rmSync(scratch.directory, { recursive: true })
  assert.equal(preallocatedFiles.fill(), false)
  assert.equal(preallocatedFiles.take(scratch.target('b')), -1)
  assert.ok(!existsSync(scratch.directory))
})

test('low() resolves when few files are left', async () => {
  using scratch = new Scratch()
  const preallocatedFiles = scratch.filled()
  const woken = preallocatedFiles.low(3_600_000)
  for (let at = 0; scratch.names().length > limits.preallocatedLow - 1; at++) {
    assert.notEqual(scratch.take(preallocatedFiles, `file-${at}`), undefined)
  }
  await woken
})

test('threads that take at once get different files, and all of them', async () => {
  using scratch = new Scratch()
  scratch.filled()
  const all = scratch.names().map((name) => scratch.inode(name))
  const url = new URL('../../../test/fixtures/preallocated-taker.ts', import.meta.url)
  const workers = ['a', 'b', 'c'].map((name) => {
    const { directory, numbers } = scratch
    const workerData: TakerSetup = { directory, numbers: numbers.buffer, name }
    return new Worker(url, { workerData })
  })
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const results = workers.map((worker) => once(worker, 'message'))
  for (const worker of workers) worker.postMessage('go')
  const taken = (await Promise.all(results)).flatMap(([inodes]) => inodes as number[])
  assert.deepEqual(taken.toSorted(), all.toSorted())
  assert.deepEqual(scratch.names(), [])
})

/**
 * Preallocated files: new files on the mount use them, kill -9 loses no data and leaves no bytes in
 * any of them, and few or none are made if inodes are scarce.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { BackingFiles } from '../../src/tiers/nvme/backing-files.ts'
import { PreallocatedFiles } from '../../src/tiers/nvme/preallocated-files.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Random } from '../fixtures/random.ts'
import { withFuse } from './fuse-scratch.ts'

const FILES = 40

function preallocatedFolder(home: ClientHome): string {
  return join(home.nvme, 'spare')
}

function preallocatedNumbers(home: ClientHome): number[] {
  if (!existsSync(preallocatedFolder(home))) return []
  return readdirSync(preallocatedFolder(home))
    .map(Number)
    .sort((a, b) => a - b)
}

/**
 * Waits until the node has made `count` more files than `highest`; returns their inodes on the
 * disk.
 */
async function preallocatedOf(
  home: ClientHome,
  count: number,
  highest: number,
): Promise<Set<number>> {
  while ((preallocatedNumbers(home).at(-1) ?? -1) < highest + count) await delay(20)
  const paths = preallocatedNumbers(home).map((number) =>
    join(preallocatedFolder(home), String(number)),
  )
  return new Set(paths.map((path) => statSync(path).ino))
}

function backingOf(home: ClientHome, name: string): string {
  const { ino } = statSync(join(home.mount, name))
  return join(home.nvme, 'data', (ino % 256).toString(16).padStart(2, '0'), String(ino))
}

test('new files are spares, before kill -9 and after', withFuse, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  using home = new ClientHome()
  const contents = new Map<string, Buffer>()
  const write = (prefix: string, preallocatedFiles: Set<number>): void => {
    for (let at = 0; at < FILES; at++) {
      const [name, data] = [`${prefix}${at}`, random.bytes(1 + random.below(20_000))]
      writeFileSync(join(home.mount, name), data)
      contents.set(name, data)
      assert.ok(preallocatedFiles.has(statSync(backingOf(home, name)).ino), `${name} was made anew`)
    }
  }
  const first = await ClientProcess.start(home)
  write('before', await preallocatedOf(home, 2 * FILES, -1))
  await first.kill()
  const left = preallocatedNumbers(home)
  writeFileSync(join(preallocatedFolder(home), String(left[0])), 'bytes that are of no file')
  const second = await ClientProcess.start(home)
  write('after', await preallocatedOf(home, 1, left.at(-1)!))
  for (const [name, data] of contents) {
    assert.ok(readFileSync(join(home.mount, name)).equals(data), name)
  }
  const paths = preallocatedNumbers(home).map((number) =>
    join(preallocatedFolder(home), String(number)),
  )
  assert.ok(paths.every((path) => statSync(path).size === 0))
  assert.equal(await second.stop(), 0)
})

test('a file that died before its first byte is not as old as its spare', withFuse, async () => {
  using home = new ClientHome()
  const first = await ClientProcess.start(home)
  writeFileSync(join(home.mount, 'file'), 'a version before')
  await first.act('wait', '/')
  await first.act('evict', '/')
  const fd = openSync(join(home.mount, 'file'), 'w')
  writeSync(fd, 'bytes')
  const path = backingOf(home, 'file')
  await first.kill()
  closeSync(fd)
  // The state between the rename and the write.
  truncateSync(path)
  utimesSync(path, 1, 1)
  // With another boot id only the disk has its time, as after a power cut.
  const database = new DatabaseSync(join(home.nvme, 'node.db'))
  database.exec("UPDATE setting SET value = 'another' WHERE name = 'boot'")
  database.close()
  const second = await ClientProcess.start(home)
  const { size, mtimeMs } = statSync(join(home.mount, 'file'))
  assert.equal(size, 0)
  assert.equal(Math.floor(mtimeMs), Math.floor(statSync(path).ctimeMs))
  assert.equal(await second.stop(), 0)
})

test('where inodes are scarce there are few spares, and they are given back', withFuse, () => {
  const folder = mkdtempSync(join(tmpdir(), 'cachefs-inodes-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=1300', 'cachefs-test', folder])
  try {
    const directory = join(folder, 'nvme')
    const others = join(folder, 'others')
    mkdirSync(others)
    BackingFiles.prepare(directory)
    const preallocatedFiles = new PreallocatedFiles(directory, new BigInt64Array(2))
    const count = (): number => readdirSync(join(directory, 'spare')).length
    while (preallocatedFiles.fill());
    const before = count()
    assert.ok(before > 0 && before <= 13, `${before} spares of 1300 inodes`)
    const useUp = (from: number): void => {
      for (let at = from; ; at++) writeFileSync(join(others, String(at)), '')
    }
    assert.throws(() => useUp(0), { code: 'ENOSPC' })
    while (preallocatedFiles.fill());
    assert.equal(count(), 0)
    assert.throws(() => useUp(2000), { code: 'ENOSPC' })
    assert.equal(preallocatedFiles.fill(), false)
    assert.equal(preallocatedFiles.take(join(directory, 'data', '00', '0')), -1)
    for (const name of readdirSync(others)) unlinkSync(join(others, name))
    while (preallocatedFiles.fill());
    assert.equal(count(), before)
  } finally {
    execFileSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true })
  }
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { SharedMutex } from '../base/shared-mutex.ts'
import { findInode, getInode, S_IFDIR, S_IFREG } from './inode-rules.ts'
import {
  create,
  exchange,
  link,
  listEntries,
  lookup,
  rename,
  rmdir,
  unlink,
  type RenameOptions,
} from './namespace-rules.ts'
import { SCHEMA } from './schema.ts'
import { SqliteEngine } from './sqlite/sqlite-engine.ts'
import { createRoot, reserveNumbers } from './volume-rules.ts'

const ROOT = 1
const TIME = { sec: 1000, nsec: 5 }
const LATER = { sec: 2000, nsec: 7 }

let directory: string
let engine: SqliteEngine
let lastNumber = 100

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cachefs-rules-'))
  const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
  engine = new SqliteEngine(join(directory, 'volume.db'), mutex)
  for (const statement of SCHEMA) engine.execute(statement)
  engine.transact(createRoot(TIME))
})

afterEach(() => {
  engine.close()
  rmSync(directory, { recursive: true })
})

function make(parent: number, name: string, mode: number): number {
  const wanted = { mode, uid: 1, gid: 2, rdev: 0, target: null }
  lastNumber += 1
  const numbers = { ino: lastNumber, seq: lastNumber }
  return engine.transact(create(parent, Buffer.from(name), { ...wanted, ...numbers }, TIME)).ino
}

const file = (parent: number, name: string): number => make(parent, name, S_IFREG | 0o644)
const folder = (parent: number, name: string): number => make(parent, name, S_IFDIR | 0o755)

function find(parent: number, name: string): number | undefined {
  try {
    return engine.read(lookup(parent, Buffer.from(name))).ino
  } catch {
    return undefined
  }
}

function move(
  from: [number, string],
  to: [number, string],
  how: Partial<RenameOptions> = {},
): void {
  const expectedTarget = find(...to) ?? 0
  lastNumber += 1
  const options = { noReplace: false, purge: true, seq: lastNumber, expectedTarget, ...how }
  const source = { parent: from[0], name: Buffer.from(from[1]) }
  const target = { parent: to[0], name: Buffer.from(to[1]) }
  engine.transact(rename(source, target, options, LATER))
}

const nlink = (ino: number): number => engine.read(getInode(ino)).nlink

function refuses(code: string, action: () => void): void {
  assert.throws(action, { code })
}

test('a directory counts its subdirectories, and keeps times', () => {
  const a = folder(ROOT, 'a')
  assert.equal(nlink(ROOT), 3)
  assert.equal(nlink(a), 2)
  folder(a, 'b')
  assert.equal(nlink(a), 3)
  assert.equal(engine.read(getInode(a)).mtimeSec, TIME.sec)
})

test('names: once, at most 255 bytes, any byte but slash and NUL', () => {
  file(ROOT, 'a')
  refuses('EEXIST', () => file(ROOT, 'a'))
  refuses('ENAMETOOLONG', () => file(ROOT, 'x'.repeat(256)))
  for (const name of ['', '.', '..', 'a/b', 'a\0b']) refuses('EINVAL', () => file(ROOT, name))
  file(ROOT, 'x'.repeat(255))
  refuses('ENOTDIR', () => file(find(ROOT, 'a') ?? 0, 'below'))
})

test('a set-group-id directory hands on its group, and to directories the bit', () => {
  const shared = make(ROOT, 'shared', S_IFDIR | 0o2775)
  engine.execute(`UPDATE inode SET gid = 50 WHERE ino = ${shared}`)
  assert.equal(engine.read(getInode(file(shared, 'f'))).gid, 50)
  const below = engine.read(getInode(folder(shared, 'd')))
  assert.equal(below.gid, 50)
  assert.equal(below.mode & 0o2000, 0o2000)
})

test('hard links count; the inode goes with the last, unless it is open', () => {
  const ino = file(ROOT, 'a')
  engine.transact(link(ino, ROOT, Buffer.from('b'), 900, LATER))
  assert.equal(nlink(ino), 2)
  refuses('EPERM', () =>
    engine.transact(link(folder(ROOT, 'd'), ROOT, Buffer.from('e'), 901, TIME)),
  )
  engine.transact(unlink(ROOT, Buffer.from('a'), ino, true, LATER))
  assert.equal(nlink(ino), 1)
  engine.transact(unlink(ROOT, Buffer.from('b'), ino, false, LATER))
  assert.equal(nlink(ino), 0)
})

test('unlink of what another has replaced changes nothing', () => {
  const ino = file(ROOT, 'a')
  assert.equal(engine.transact(unlink(ROOT, Buffer.from('a'), ino + 1, true, LATER)), undefined)
  assert.equal(find(ROOT, 'a'), ino)
})

test('rmdir and unlink take what they are for, and only empty directories', () => {
  const a = folder(ROOT, 'a')
  file(a, 'f')
  const name = Buffer.from('a')
  refuses('EISDIR', () => engine.transact(unlink(ROOT, name, a, true, TIME)))
  refuses('ENOTEMPTY', () => engine.transact(rmdir(ROOT, name, a, true, TIME)))
  move([a, 'f'], [ROOT, 'f'])
  engine.transact(rmdir(ROOT, name, a, true, TIME))
  assert.equal(nlink(ROOT), 2)
  assert.equal(engine.read(findInode(a)), undefined)
})

test('rename replaces atomically: files files, directories empty directories', () => {
  const [a, b] = [file(ROOT, 'a'), file(ROOT, 'b')]
  move([ROOT, 'a'], [ROOT, 'b'])
  assert.equal(find(ROOT, 'b'), a)
  assert.equal(find(ROOT, 'a'), undefined)
  assert.equal(engine.read(findInode(b)), undefined)
  const [c, d] = [folder(ROOT, 'c'), folder(ROOT, 'd')]
  refuses('EISDIR', () => move([ROOT, 'b'], [ROOT, 'c']))
  refuses('ENOTDIR', () => move([ROOT, 'c'], [ROOT, 'b']))
  file(d, 'f')
  refuses('ENOTEMPTY', () => move([ROOT, 'c'], [ROOT, 'd']))
  move([ROOT, 'd'], [ROOT, 'c'])
  assert.equal(find(ROOT, 'c'), d)
  assert.equal(engine.read(findInode(c)), undefined)
  assert.equal(nlink(ROOT), 3)
})

test('rename of a directory moves its parent, and never into itself', () => {
  const a = folder(ROOT, 'a')
  const b = folder(a, 'b')
  refuses('EINVAL', () => move([ROOT, 'a'], [b, 'a']))
  move([a, 'b'], [ROOT, 'b'])
  assert.equal(engine.read(getInode(b)).parent, ROOT)
  assert.deepEqual([nlink(ROOT), nlink(a)], [4, 2])
})

test('rename between two names of one inode changes nothing; NOREPLACE refuses', () => {
  const ino = file(ROOT, 'a')
  engine.transact(link(ino, ROOT, Buffer.from('b'), 900, TIME))
  move([ROOT, 'a'], [ROOT, 'b'])
  assert.deepEqual([find(ROOT, 'a'), find(ROOT, 'b')], [ino, ino])
  refuses('EEXIST', () => move([ROOT, 'a'], [ROOT, 'b'], { noReplace: true }))
})

test('exchange swaps whatever two names stand for', () => {
  const [a, f] = [folder(ROOT, 'a'), file(ROOT, 'f')]
  const d = folder(a, 'd')
  const at = (parent: number, name: string): { parent: number; name: Buffer } => ({
    parent,
    name: Buffer.from(name),
  })
  engine.transact(exchange(at(ROOT, 'f'), at(a, 'd'), LATER))
  assert.deepEqual([find(ROOT, 'f'), find(a, 'd')], [d, f])
  assert.deepEqual([nlink(ROOT), nlink(a)], [4, 2])
  assert.equal(engine.read(getInode(d)).parent, ROOT)
  refuses('EINVAL', () => engine.transact(exchange(at(ROOT, 'a'), at(a, 'd'), LATER)))
})

test('a listing goes on after any entry, whatever came or went meanwhile', () => {
  for (const name of ['a', 'b', 'c', 'd']) file(ROOT, name)
  const [first, second] = engine.read(listEntries(ROOT, 0, 2))
  assert.ok(first && second)
  engine.transact(unlink(ROOT, Buffer.from(second.name), second.ino, true, LATER))
  file(ROOT, 'e')
  const rest = engine.read(listEntries(ROOT, second.seq, 10))
  const names = rest.map((row) => Buffer.from(row.name).toString())
  assert.deepEqual(names, ['c', 'd', 'e'])
})

test('a rule that throws leaves nothing behind', () => {
  folder(ROOT, 'd')
  const before = engine.read(getInode(ROOT))
  refuses('EEXIST', () => folder(ROOT, 'd'))
  assert.deepEqual(engine.read(getInode(ROOT)), before)
})

test('numbers are handed out once', () => {
  const first = engine.transact(reserveNumbers('chunk', 10))
  assert.equal(engine.transact(reserveNumbers('chunk', 5)), first + 10)
  assert.equal(engine.transact(reserveNumbers('chunk', 1)), first + 15)
})

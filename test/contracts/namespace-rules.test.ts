/**
 * The POSIX rules of names, run on every metadata engine.
 */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import {
  changeInode,
  findInode,
  getInode,
  S_IFDIR,
  S_IFREG,
} from '../../src/metadata/inode-rules.ts'
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
} from '../../src/metadata/namespace-rules.ts'
import { purgeOrphan } from '../../src/metadata/chunk-rules.ts'
import type { Rule } from '../../src/metadata/statement.ts'
import { createRoot, reserveNumbers } from '../../src/metadata/volume-rules.ts'
import { STORES, type Stores, type OpenStore } from '../fixtures/store-fixture.ts'

const ROOT = 1
const TIME = { sec: 1000, nsec: 5 }
const LATER = { sec: 2000, nsec: 7 }

let store: OpenStore
let lastNumber = 100

function transact<T>(begin: () => Rule<T>): Promise<T> {
  return store.engine.transact(begin)
}

function read<T>(begin: () => Rule<T>): Promise<T> {
  return store.engine.read(begin)
}

async function make(parent: number, name: string, mode: number): Promise<number> {
  const wanted = { mode, uid: 1, gid: 2, rdev: 0, target: null }
  lastNumber += 1
  const numbers = { ino: lastNumber, seq: lastNumber }
  const made = { ...wanted, ...numbers }
  return (await transact(() => create(parent, Buffer.from(name), made, TIME))).ino
}

function file(parent: number, name: string): Promise<number> {
  return make(parent, name, S_IFREG | 0o644)
}

function folder(parent: number, name: string): Promise<number> {
  return make(parent, name, S_IFDIR | 0o755)
}

async function find(parent: number, name: string): Promise<number | undefined> {
  try {
    return (await read(() => lookup(parent, Buffer.from(name)))).ino
  } catch {
    return undefined
  }
}

async function move(
  from: [number, string],
  to: [number, string],
  how: Partial<RenameOptions> = {},
): Promise<void> {
  const expectedTarget = (await find(...to)) ?? 0
  lastNumber += 1
  const options = { noReplace: false, seq: lastNumber, expectedTarget, ...how }
  const source = { parent: from[0], name: Buffer.from(from[1]) }
  const target = { parent: to[0], name: Buffer.from(to[1]) }
  await transact(() => rename(source, target, options, LATER))
}

async function nlink(ino: number): Promise<number> {
  return (await read(() => getInode(ino))).nlink
}

async function refuses(code: string, action: () => Promise<unknown>): Promise<void> {
  await assert.rejects(action, { code })
}

/** Tests that run on every engine. */
const cases = new Map<string, () => Promise<void>>()

function holds(what: string, check: () => Promise<void>): void {
  cases.set(what, check)
}

holds('directories have link counts and times', async () => {
  const a = await folder(ROOT, 'a')
  assert.equal(await nlink(ROOT), 3)
  assert.equal(await nlink(a), 2)
  await folder(a, 'b')
  assert.equal(await nlink(a), 3)
  assert.equal((await read(() => getInode(a))).mtimeSec, TIME.sec)
})

holds('names are unique, at most 255 bytes, of any byte but slash and NUL', async () => {
  await file(ROOT, 'a')
  await refuses('EEXIST', () => file(ROOT, 'a'))
  await refuses('ENAMETOOLONG', () => file(ROOT, 'x'.repeat(256)))
  for (const name of ['', '.', '..', 'a/b', 'a\0b']) await refuses('EINVAL', () => file(ROOT, name))
  await file(ROOT, 'x'.repeat(255))
  const a = (await find(ROOT, 'a')) ?? 0
  await refuses('ENOTDIR', () => file(a, 'below'))
})

holds('a set-group-id directory passes on its group, and the bit to directories', async () => {
  const shared = await make(ROOT, 'shared', S_IFDIR | 0o2775)
  const mode = S_IFDIR | 0o2775
  await transact(() => changeInode(shared, { gid: 50, mode }, LATER))
  const [f, d] = [await file(shared, 'f'), await folder(shared, 'd')]
  assert.equal((await read(() => getInode(f))).gid, 50)
  const below = await read(() => getInode(d))
  assert.equal(below.gid, 50)
  assert.equal(below.mode & 0o2000, 0o2000)
})

holds('hard links are counted; an unlinked inode stays until it is purged', async () => {
  const ino = await file(ROOT, 'a')
  await transact(() => link(ino, ROOT, Buffer.from('b'), 900, LATER))
  assert.equal(await nlink(ino), 2)
  const d = await folder(ROOT, 'd')
  await refuses('EPERM', () => transact(() => link(d, ROOT, Buffer.from('e'), 901, TIME)))
  await transact(() => unlink(ROOT, Buffer.from('a'), ino, LATER))
  assert.equal(await nlink(ino), 1)
  await transact(() => unlink(ROOT, Buffer.from('b'), ino, LATER))
  assert.equal(await nlink(ino), 0)
})

holds('unlink of a name that was replaced meanwhile changes nothing', async () => {
  const ino = await file(ROOT, 'a')
  assert.equal(await transact(() => unlink(ROOT, Buffer.from('a'), ino + 1, LATER)), undefined)
  assert.equal(await find(ROOT, 'a'), ino)
})

holds('rmdir removes only empty directories, unlink everything else', async () => {
  const a = await folder(ROOT, 'a')
  await file(a, 'f')
  const name = Buffer.from('a')
  await refuses('EISDIR', () => transact(() => unlink(ROOT, name, a, TIME)))
  await refuses('ENOTEMPTY', () => transact(() => rmdir(ROOT, name, a, TIME)))
  await move([a, 'f'], [ROOT, 'f'])
  await transact(() => rmdir(ROOT, name, a, TIME))
  assert.equal(await nlink(ROOT), 2)
  assert.equal(await nlink(a), 0)
  await transact(() => purgeOrphan(a))
  assert.equal(await read(() => findInode(a)), undefined)
})

holds('rename atomically replaces a file, or an empty directory by a directory', async () => {
  const [a, b] = [await file(ROOT, 'a'), await file(ROOT, 'b')]
  await move([ROOT, 'a'], [ROOT, 'b'])
  assert.equal(await find(ROOT, 'b'), a)
  assert.equal(await find(ROOT, 'a'), undefined)
  assert.equal(await nlink(b), 0)
  const [c, d] = [await folder(ROOT, 'c'), await folder(ROOT, 'd')]
  await refuses('EISDIR', () => move([ROOT, 'b'], [ROOT, 'c']))
  await refuses('ENOTDIR', () => move([ROOT, 'c'], [ROOT, 'b']))
  await file(d, 'f')
  await refuses('ENOTEMPTY', () => move([ROOT, 'c'], [ROOT, 'd']))
  await move([ROOT, 'd'], [ROOT, 'c'])
  assert.equal(await find(ROOT, 'c'), d)
  assert.equal(await nlink(c), 0)
  assert.equal(await nlink(ROOT), 3)
})

holds('rename of a directory changes its parent, and never moves it into itself', async () => {
  const a = await folder(ROOT, 'a')
  const b = await folder(a, 'b')
  await refuses('EINVAL', () => move([ROOT, 'a'], [b, 'a']))
  await move([a, 'b'], [ROOT, 'b'])
  assert.equal((await read(() => getInode(b))).parent, ROOT)
  assert.deepEqual([await nlink(ROOT), await nlink(a)], [4, 2])
})

holds('rename between two names of one inode changes nothing; NOREPLACE is EEXIST', async () => {
  const ino = await file(ROOT, 'a')
  await transact(() => link(ino, ROOT, Buffer.from('b'), 900, TIME))
  await move([ROOT, 'a'], [ROOT, 'b'])
  assert.deepEqual([await find(ROOT, 'a'), await find(ROOT, 'b')], [ino, ino])
  await refuses('EEXIST', () => move([ROOT, 'a'], [ROOT, 'b'], { noReplace: true }))
})

holds('exchange swaps two names of any type', async () => {
  const [a, f] = [await folder(ROOT, 'a'), await file(ROOT, 'f')]
  const d = await folder(a, 'd')
  const at = (parent: number, name: string): { parent: number; name: Buffer } => ({
    parent,
    name: Buffer.from(name),
  })
  await transact(() => exchange(at(ROOT, 'f'), at(a, 'd'), LATER))
  assert.deepEqual([await find(ROOT, 'f'), await find(a, 'd')], [d, f])
  assert.deepEqual([await nlink(ROOT), await nlink(a)], [4, 2])
  assert.equal((await read(() => getInode(d))).parent, ROOT)
  await refuses('EINVAL', () => transact(() => exchange(at(ROOT, 'a'), at(a, 'd'), LATER)))
})

async function namesBefore(seq: number): Promise<string[]> {
  const rows = await read(() => listEntries(ROOT, seq, 10))
  return rows.map(({ name }) => Buffer.from(name).toString())
}

holds('a listing continues after any entry, whatever was added or removed', async () => {
  for (const name of ['a', 'b', 'c', 'd']) await file(ROOT, name)
  const [first, second] = await read(() => listEntries(ROOT, Number.MAX_SAFE_INTEGER, 2))
  assert.ok(first && second)
  await transact(() => unlink(ROOT, Buffer.from(second.name), second.ino, LATER))
  await file(ROOT, 'e')
  assert.deepEqual(await namesBefore(second.seq), ['b', 'a'])
})

holds('an entry keeps its position when it is renamed in its directory', async () => {
  for (const name of ['a', 'b', 'c']) await file(ROOT, name)
  const [c, b, a] = await read(() => listEntries(ROOT, Number.MAX_SAFE_INTEGER, 3))
  assert.ok(a && b && c)
  await move([ROOT, 'b'], [ROOT, 'x'])
  assert.deepEqual(await namesBefore(c.seq), ['x', 'a'])
  await move([ROOT, 'c'], [ROOT, 'a'])
  assert.deepEqual(await namesBefore(Number.MAX_SAFE_INTEGER), ['x', 'a'])
  assert.deepEqual(await namesBefore(b.seq), ['a'])
})

holds('a rule that throws is rolled back', async () => {
  await folder(ROOT, 'd')
  const before = await read(() => getInode(ROOT))
  await refuses('EEXIST', () => folder(ROOT, 'd'))
  assert.deepEqual(await read(() => getInode(ROOT)), before)
})

holds('numbers are reserved once', async () => {
  const first = await transact(() => reserveNumbers('chunk', 10))
  assert.equal(await transact(() => reserveNumbers('chunk', 5)), first + 10)
  assert.equal(await transact(() => reserveNumbers('chunk', 1)), first + 15)
})

for (const kind of STORES) {
  describe(`rules of names on ${kind.name}`, () => {
    let stores: Stores
    before(async () => {
      stores = await kind.start()
    })
    after(() => stores[Symbol.asyncDispose]())
    beforeEach(async () => {
      store = await stores.open()
      await transact(() => createRoot(TIME))
    })
    afterEach(() => store[Symbol.asyncDispose]())
    for (const [what, check] of cases) test(what, check)
  })
}

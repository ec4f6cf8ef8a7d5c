/**
 * Random versions of a file, uploaded in any order, against a model of all versions: the last
 * durable version can be restored, and no object that is needed is ever in the trash.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  commitContent,
  discard,
  listChunks,
  listTrash,
  markAllDurable,
  markDurable,
  purgeInode,
} from '../../src/metadata/chunk-rules.ts'
import type { StoreEngine } from '../../src/metadata/store-engine.ts'
import { getInode, S_IFREG } from '../../src/metadata/inode-rules.ts'
import { create, unlink } from '../../src/metadata/namespace-rules.ts'
import { findLastDurable, restorePast } from '../../src/metadata/last-durable-rules.ts'
import { STORES, type Stores, type OpenStore } from '../fixtures/store-fixture.ts'
import { Random } from '../fixtures/random.ts'
import { createRoot } from '../../src/metadata/volume-rules.ts'

const TIME = { sec: 1, nsec: 0 }
const CHUNK = 10
const INO = 7

/** Index, id and length of each chunk; size. */
type Version = string

class File {
  readonly #engine: StoreEngine
  readonly #random: Random
  #lastId = 0
  readonly #made: { index: number; id: number }[] = []
  readonly uploaded = new Set<number>()
  /** The last durable version, and whether a later one is pending. */
  past: Version | undefined

  constructor({ engine }: OpenStore, seed: number) {
    this.#random = new Random(seed)
    this.#engine = engine
  }

  async make(): Promise<void> {
    await this.#engine.transact(() => createRoot(TIME))
    const wanted = { mode: S_IFREG | 0o644, uid: 0, gid: 0, rdev: 0, target: null }
    const made = { ...wanted, ino: INO, seq: 1 }
    await this.#engine.transact(() => create(1, Buffer.from('f'), made, TIME))
  }

  async version(): Promise<Version> {
    const { size } = await this.#engine.read(() => getInode(INO))
    const rows = await this.#engine.read(() => listChunks(INO, 0, 1000))
    return JSON.stringify([size, ...rows.map(({ index, id, length }) => [index, id, length])])
  }

  async commit(): Promise<void> {
    const { size: before } = await this.#engine.read(() => getInode(INO))
    const size = this.#random.below(60)
    const floor =
      this.#random.below(3) === 0 ? this.#random.below(size + 1) : Math.min(before, size)
    const chunks = []
    for (let index = 0; index * CHUNK < size; index++) {
      if (this.#random.below(3) > 0) continue
      const id = ++this.#lastId
      this.#made.push({ index, id })
      chunks.push({ index, id, length: Math.min(CHUNK, size - index * CHUNK) })
    }
    const content = { size, floor, blocks: 0, mtime: TIME, ctime: TIME, chunks }
    await this.#engine.transact(() => commitContent(INO, content, CHUNK))
    await this.#look()
  }

  async upload(): Promise<void> {
    const waiting = (await this.#engine.read(() => listChunks(INO, 0, 1000))).filter(
      (row) => row.durable === 0,
    )
    const row = waiting[this.#random.below(Math.max(1, waiting.length))]
    if (row === undefined) return
    if (this.#random.below(2) === 0) {
      await this.#uploadSome(waiting)
      return
    }
    this.uploaded.add(row.id)
    assert.ok(await this.#engine.transact(() => markDurable(INO, row.index, row.id, 1)))
    await this.#look()
  }

  /** In one call, together with late reports of objects that were replaced. */
  async #uploadSome(waiting: readonly { index: number; id: number }[]): Promise<void> {
    const marks = waiting
      .filter(() => this.#random.below(2) === 0)
      .map(({ index, id }) => ({ ino: INO, index, id, crc: 1 }))
    const rows = await this.#engine.read(() => listChunks(INO, 0, 1000))
    const replaced = this.#made.filter(({ id }) => !rows.some((row) => row.id === id))
    const late = replaced
      .filter(() => this.#random.below(3) === 0)
      .map(({ index, id }) => ({ ino: INO, index, id, crc: 1 }))
    for (const { id } of marks) this.uploaded.add(id)
    const held = await this.#engine.transact(() => markAllDurable([...marks, ...late]))
    assert.deepEqual(held, [...marks.map(() => true), ...late.map(() => false)])
    for (const { index, id } of late) await this.#engine.transact(() => discard(INO, index, id))
    await this.#look()
  }

  async #look(): Promise<void> {
    const rows = await this.#engine.read(() => listChunks(INO, 0, 1000))
    const { size } = await this.#engine.read(() => getInode(INO))
    if (rows.every((row) => row.durable === 1))
      this.past = size > 0 ? await this.version() : undefined
    const trash = new Set((await this.#engine.read(() => listTrash(0, 10_000))).map(({ id }) => id))
    const needed = this.past === undefined ? [] : (JSON.parse(this.past) as number[][]).slice(1)
    for (const id of [...rows.map((row) => row.id), ...needed.map(([, id]) => id!)]) {
      assert.ok(!trash.has(id), `object ${id} is needed`)
    }
    const ids = new Set([...rows.map((row) => row.id), ...needed.map(([, id]) => id!)])
    for (const id of this.uploaded) assert.ok(trash.has(id) || ids.has(id), `${id} was forgotten`)
  }

  async restore(): Promise<void> {
    const isWhole = (await this.#engine.read(() => findLastDurable(INO))) === undefined
    if (isWhole) {
      await assert.rejects(
        this.#engine.transact(() => restorePast(INO, CHUNK, TIME)),
        { code: 'ENODATA' },
      )
      return
    }
    await this.#engine.transact(() => restorePast(INO, CHUNK, TIME))
    assert.equal(await this.version(), this.past)
    await this.#look()
  }

  async purge(): Promise<void> {
    await assert.rejects(
      this.#engine.transact(() => purgeInode(INO)),
      { code: 'EINVAL' },
    )
    await this.#engine.transact(() => unlink(1, Buffer.from('f'), INO, TIME))
    await this.#engine.transact(() => purgeInode(INO))
    const trash = new Set((await this.#engine.read(() => listTrash(0, 10_000))).map(({ id }) => id))
    for (const id of this.uploaded) assert.ok(trash.has(id), `${id} was forgotten`)
  }
}

async function check(stores: Stores, runs: number): Promise<void> {
  const { seed } = Random.fromEnvironment()
  const random = new Random(seed)
  for (let run = 0; run < runs; run++) {
    await using store = await stores.open()
    const file = new File(store, seed + run)
    await file.make()
    for (let step = 0; step < 40; step++) {
      const dice = random.below(10)
      if (dice < 3) await file.commit()
      else if (dice < 9) await file.upload()
      else await file.restore()
    }
    await file.purge()
  }
}

for (const kind of STORES) {
  test(`the last durable version can be restored, on ${kind.name}`, async () => {
    await using stores = await kind.start()
    await check(stores, kind.name === 'SQLite' ? 40 : 10)
  })
}

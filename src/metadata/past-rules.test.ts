/**
 * Random versions of a file, uploaded in any order, against a model that remembers them all: what
 * the cloud had whole last can be restored, and no object that is needed is ever in the trash.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '../../test/fixtures/random.ts'
import { SharedMutex } from '../base/shared-mutex.ts'
import { commitContent, listChunks, listTrash, markDurable, purgeInode } from './chunk-rules.ts'
import { getInode, S_IFREG } from './inode-rules.ts'
import { create } from './namespace-rules.ts'
import { findPast, restorePast } from './past-rules.ts'
import { SCHEMA } from './schema.ts'
import { SqliteEngine } from './sqlite/sqlite-engine.ts'
import { createRoot } from './volume-rules.ts'

const TIME = { sec: 1, nsec: 0 }
const CHUNK = 10
const INO = 7

/** Index, id and length of each chunk; size. */
type Version = string

class File implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'cachefs-past-'))
  readonly #engine: SqliteEngine
  readonly #random: Random
  #lastId = 0
  readonly made = new Set<number>()
  readonly uploaded = new Set<number>()
  /** What the cloud had whole last, and whether a later version is under way. */
  past: Version | undefined

  constructor(seed: number) {
    this.#random = new Random(seed)
    const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
    this.#engine = new SqliteEngine(join(this.#directory, 'volume.db'), mutex)
    for (const statement of SCHEMA) this.#engine.execute(statement)
    this.#engine.transact(createRoot(TIME))
    const wanted = { mode: S_IFREG | 0o644, uid: 0, gid: 0, rdev: 0, target: null }
    this.#engine.transact(create(1, Buffer.from('f'), { ...wanted, ino: INO, seq: 1 }, TIME))
  }

  version(): Version {
    const { size } = this.#engine.read(getInode(INO))
    const rows = this.#engine.read(listChunks(INO, 0, 1000))
    return JSON.stringify([size, ...rows.map(({ index, id, length }) => [index, id, length])])
  }

  commit(): void {
    const { size: before } = this.#engine.read(getInode(INO))
    const size = this.#random.below(60)
    const floor =
      this.#random.below(3) === 0 ? this.#random.below(size + 1) : Math.min(before, size)
    const chunks = []
    for (let index = 0; index * CHUNK < size; index++) {
      if (this.#random.below(3) > 0) continue
      const id = ++this.#lastId
      this.made.add(id)
      chunks.push({ index, id, length: Math.min(CHUNK, size - index * CHUNK) })
    }
    const content = { size, floor, blocks: 0, mtime: TIME, ctime: TIME, chunks }
    this.#engine.transact(commitContent(INO, content, CHUNK))
    this.#look()
  }

  upload(): void {
    const waiting = this.#engine.read(listChunks(INO, 0, 1000)).filter((row) => row.durable === 0)
    const row = waiting[this.#random.below(Math.max(1, waiting.length))]
    if (row === undefined) return
    this.uploaded.add(row.id)
    assert.ok(this.#engine.transact(markDurable(INO, row.index, row.id, 1)))
    this.#look()
  }

  #look(): void {
    const rows = this.#engine.read(listChunks(INO, 0, 1000))
    const { size } = this.#engine.read(getInode(INO))
    if (rows.every((row) => row.durable === 1)) this.past = size > 0 ? this.version() : undefined
    const trash = new Set(this.#engine.read(listTrash(10_000)).map(({ id }) => id))
    const needed = this.past === undefined ? [] : (JSON.parse(this.past) as number[][]).slice(1)
    for (const id of [...rows.map((row) => row.id), ...needed.map(([, id]) => id!)]) {
      assert.ok(!trash.has(id), `object ${id} is needed`)
    }
    const ids = new Set([...rows.map((row) => row.id), ...needed.map(([, id]) => id!)])
    for (const id of this.uploaded) assert.ok(trash.has(id) || ids.has(id), `${id} was forgotten`)
  }

  restore(): void {
    const isWhole = this.#engine.read(findPast(INO)) === undefined
    if (isWhole) {
      assert.throws(() => this.#engine.transact(restorePast(INO, CHUNK, TIME)), { code: 'ENODATA' })
      return
    }
    this.#engine.transact(restorePast(INO, CHUNK, TIME))
    assert.equal(this.version(), this.past)
    this.#look()
  }

  purge(): void {
    this.#engine.transact(purgeInode(INO))
    const trash = new Set(this.#engine.read(listTrash(10_000)).map(({ id }) => id))
    for (const id of this.uploaded) assert.ok(trash.has(id), `${id} was forgotten`)
  }

  [Symbol.dispose](): void {
    this.#engine.close()
    rmSync(this.#directory, { recursive: true })
  }
}

test('the last version that the cloud had whole can be restored', () => {
  const { seed } = Random.fromEnvironment()
  const random = new Random(seed)
  for (let run = 0; run < 40; run++) {
    using file = new File(seed + run)
    for (let step = 0; step < 40; step++) {
      const dice = random.below(10)
      if (dice < 3) file.commit()
      else if (dice < 9) file.upload()
      else file.restore()
    }
    file.purge()
  }
})

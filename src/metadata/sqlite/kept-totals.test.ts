/** The maintained totals equal a count of the inodes after any change. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SharedMutex } from '../../base/async/shared-mutex.ts'
import { S_IFDIR, S_IFREG } from '../inode-rules.ts'
import { ANY_INODE } from '../namespace-rules.ts'
import { SCHEMA, TABLES } from '../schema.ts'
import { totals } from '../volume-rules.ts'
import { keepTotals, keptTotals } from './kept-totals.ts'
import { SqliteEngine } from './sqlite-engine.ts'

const TIME = { sec: 1, nsec: 2 }
const [ROOT, DIRECTORY, FIRST, SECOND] = [1, 2, 3, 4]

function openVolume(path: string): SqliteEngine {
  const engine = new SqliteEngine(path, new SharedMutex(new Int32Array(new SharedArrayBuffer(4))))
  for (const sql of SCHEMA) engine.execute(sql)
  return engine
}

function make(engine: SqliteEngine, parent: number, name: string, ino: number, type: number): void {
  const wanted = { ino, seq: ino, mode: type | 0o644, uid: 0, gid: 0, rdev: 0, target: null }
  engine.write('create', parent, Buffer.from(name), wanted, TIME)
}

function resize(engine: SqliteEngine, ino: number, size: number): void {
  const commit = { size, floor: size, blocks: 0, mtime: TIME, ctime: TIME, chunks: [] }
  engine.write('commitContent', ino, commit, 4096)
}

function check(engine: SqliteEngine, files: number, bytes: number): void {
  assert.deepEqual({ ...engine.read(keptTotals()) }, { files, bytes })
  assert.deepEqual({ ...engine.read(totals()) }, { files, bytes })
}

test('totals follow each change, also in a database that had none before', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cachefs-totals-'))
  const engine = openVolume(join(directory, 'volume.db'))
  const other = openVolume(join(directory, 'other.db'))
  try {
    engine.write('createRoot', TIME)
    keepTotals(engine)
    check(engine, 1, 4096)
    keepTotals(engine)
    make(engine, ROOT, 'directory', DIRECTORY, S_IFDIR)
    make(engine, DIRECTORY, 'one', FIRST, S_IFREG)
    make(engine, DIRECTORY, 'two', SECOND, S_IFREG)
    check(engine, 4, 8192)
    resize(engine, FIRST, 1000)
    resize(engine, SECOND, 500)
    resize(engine, FIRST, 300)
    check(engine, 4, 8992)
    assert.throws(() => make(engine, DIRECTORY, 'one', 5, S_IFREG), { code: 'EEXIST' })
    engine.write('unlink', DIRECTORY, Buffer.from('two'), ANY_INODE, TIME)
    check(engine, 4, 8992)
    engine.write('purgeInode', SECOND)
    engine.write('unlink', DIRECTORY, Buffer.from('one'), ANY_INODE, TIME)
    engine.write('purgeOrphans', [FIRST, DIRECTORY])
    check(engine, 2, 8192)
    other.write('createRoot', TIME)
    make(other, ROOT, 'file', 7, S_IFREG)
    resize(other, 7, 1e12)
    engine.takeOver(join(directory, 'other.db'), TABLES)
    check(engine, 2, 4096 + 1e12)
  } finally {
    engine.close()
    other.close()
    rmSync(directory, { recursive: true })
  }
})

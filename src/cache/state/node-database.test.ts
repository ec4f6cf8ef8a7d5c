import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { SharedMutex } from '../../base/async/shared-mutex.ts'
import { NodeDatabase } from './node-database.ts'

const DAMAGE: readonly [sql: string, message: RegExp][] = [
  ['ALTER TABLE upload DROP COLUMN source', /it lacks upload\.source/],
  ['DROP TABLE lost_chunk; CREATE TABLE lost_chunk (ino, idx)', /it lacks lost_chunk\.id/],
]

test('a node database of another shape is refused when it is opened', () => {
  for (const [sql, message] of DAMAGE) {
    using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-shape-'))
    const path = join(directory.path, 'node.db')
    const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
    assert.ok(NodeDatabase.prepare(path, mutex))
    const database = new DatabaseSync(path)
    database.exec(sql)
    database.close()
    assert.throws(() => NodeDatabase.prepare(path, mutex), { code: 'EIO', message }, sql)
  }
})

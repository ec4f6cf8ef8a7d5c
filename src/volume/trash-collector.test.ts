import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CountingTier } from '../../test/fixtures/counting-tier.ts'
import { SharedMutex } from '../base/async/shared-mutex.ts'
import { loggerOf } from '../base/log/logger.ts'
import { chunkKey } from '../cache/upload/object-key.ts'
import { listTrash } from '../metadata/chunk-rules.ts'
import { SCHEMA } from '../metadata/schema.ts'
import { SqliteEngine } from '../metadata/sqlite/sqlite-engine.ts'
import { FileTier } from '../tiers/cloud/file/file-tier.ts'
import { TrashCollector } from './trash-collector.ts'

const OBJECTS = 300
const INO = 7

test('an object that cannot be deleted stops no other', async () => {
  using home = mkdtempDisposableSync(join(tmpdir(), 'cachefs-trash-'))
  const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
  const engine = new SqliteEngine(join(home.path, 'volume.db'), mutex)
  for (const sql of SCHEMA) engine.execute(sql)
  const root = join(home.path, 'cloud')
  mkdirSync(root)
  const cloud = new CountingTier(await FileTier.open({ directory: root }))
  for (let id = 1; id <= OBJECTS; id++) {
    await cloud.write(chunkKey(INO, id, id), Buffer.from('chunk'))
    engine.execute(`INSERT INTO trash (id, ino, idx) VALUES (${id}, ${INO}, ${id})`)
  }
  cloud.undeletable = chunkKey(INO, 3, 3)
  const store = { empty: (ids: number[]) => engine.write('emptyTrash', ids), isOurs: () => true }
  const collector = new TrashCollector(engine, cloud, loggerOf('CACHE'), store)
  const round = async (): Promise<number[]> => {
    collector.collect(new AbortController().signal)
    await collector.settled()
    return engine.read(listTrash(0, OBJECTS)).map(({ id }) => id)
  }
  assert.deepEqual(await round(), [3])
  assert.equal(collector.deleted, OBJECTS - 1)
  assert.ok(!existsSync(join(root, chunkKey(INO, OBJECTS, OBJECTS))))
  cloud.undeletable = undefined
  assert.deepEqual(await round(), [])
  engine.close()
})

/** Operations on a replica: run again until the coordinator has answered all of them. */
import assert from 'node:assert/strict'
import { CurrentRequest } from '../base/current-request.ts'
import { test } from 'node:test'
import { Suspended, resume } from '../base/suspended.ts'
import type { WaitResult } from '../base/suspended.ts'
import { SharedMutex } from '../base/async/shared-mutex.ts'
import { NumberSource } from '../volume/number-source.ts'
import { ReplicaEngine, resultKey } from './replica-engine.ts'
import { SqliteEngine } from './sqlite/sqlite-engine.ts'

test('numbers of two kinds that one operation reserves are not confused', (t) => {
  const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
  const copy = new SqliteEngine(':memory:', mutex)
  t.after(() => copy.close())
  const engine = new ReplicaEngine(copy, {
    isMain: true,
    mountId: undefined,
    request: new CurrentRequest(),
    validUntil: () => 0,
  })
  const numbers = new NumberSource(engine)
  const first: Record<string, number> = { inode: 2, entry: 50_003 }
  const outcomes: WaitResult[] = []
  const both = (): unknown => {
    try {
      return resume(outcomes, () => [numbers.next('inode'), numbers.next('entry')])
    } catch (error) {
      if (!(error instanceof Suspended)) throw error
      const { name, args } = error.condition as { name: string; args: [string] }
      outcomes.push({ key: resultKey(name, args), value: first[args[0]] })
      return undefined
    }
  }
  assert.deepEqual([both(), both(), outcomes.length], [undefined, undefined, 2])
  const [ino, seq] = both() as number[]
  assert.ok(ino! >= 2 && ino! < 1002, `inode ${ino}`)
  assert.ok(seq! >= 50_003, `place ${seq} is a number of inodes`)
})

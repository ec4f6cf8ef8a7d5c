/** Operations on a replica: run again until the coordinator has answered all of them. */
import assert from 'node:assert/strict'
import { CurrentRequest } from '../base/current-request.ts'
import { test } from 'node:test'
import { Suspended } from '../base/suspended.ts'
import type { WaitResult } from '../base/suspended.ts'
import { SharedMutex } from '../base/async/shared-mutex.ts'
import { NumberSource } from '../volume/number-source.ts'
import { OPERATION_RESULT, ReplicaEngine, operationSubject } from './replica-engine.ts'
import { SqliteEngine } from './sqlite/sqlite-engine.ts'

test('numbers of two kinds that one operation reserves are not confused', (t) => {
  const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
  const copy = new SqliteEngine(':memory:', mutex)
  t.after(() => copy.close())
  const request = new CurrentRequest()
  const engine = new ReplicaEngine(copy, {
    isMain: true,
    mountId: undefined,
    request,
    validUntil: () => 0,
  })
  const numbers = new NumberSource(engine)
  const first: Record<string, number> = { inode: 2, entry: 50_003 }
  const results: WaitResult[] = []
  const both = (): unknown => {
    try {
      return request.run(results, () => [numbers.next('inode'), numbers.next('entry')])
    } catch (error) {
      if (!(error instanceof Suspended)) throw error
      const { name, args } = error.condition as { name: string; args: [string] }
      results.push(OPERATION_RESULT.of(operationSubject(name, args), first[args[0]]))
      return undefined
    }
  }
  assert.deepEqual([both(), both(), results.length], [undefined, undefined, 2])
  const [ino, seq] = both() as number[]
  assert.ok(ino! >= 2 && ino! < 1002, `inode ${ino}`)
  assert.ok(seq! >= 50_003, `place ${seq} is a number of inodes`)
})

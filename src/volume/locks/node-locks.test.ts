/**
 * Tests of a node's locks: grants that cross with signals, and an unavailable service.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOCK_END, type FileLock, type HeldLock } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import { FileLocks } from '../../coordinator/locks/file-locks.ts'
import { limits } from '../../limits.ts'
import { lockSession } from '../../../test/fixtures/lock-session.ts'
import { LockMarks } from './lock-marks.ts'
import { LOCK_RESULT, type LockWaitCondition, type LockService } from './lock-service.ts'
import { NodeLocks } from './node-locks.ts'

const INO = 7
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const interrupted = (): FsError => new FsError('EINTR', 'a signal')

type Type = FileLock['type']

function posix(type: Type, start: number, end: number): FileLock {
  return { kind: 'posix', type, start, end, pid: 1 }
}
const flock = (type: Type): FileLock => ({ kind: 'flock', type, start: 0, end: LOCK_END, pid: 1 })

function setCondition(lock: FileLock, owner = 'one', wait = true): LockWaitCondition {
  return { kind: 'lock', op: 'set', ino: INO, owner, lock, wait }
}

/** A service whose answers are delayed while `gate` is set, as on a network. */
function nodeOf() {
  const table = new FileLocks()
  const failures: unknown[] = []
  const direct = lockSession(table, 'a')
  const link = { gate: undefined as Promise<unknown> | undefined, isCut: false }
  const late = async <T>(work: Promise<T>): Promise<T> => {
    if (link.isCut) throw new FsError('EIO', 'the service is away')
    await Promise.allSettled([work])
    await link.gate
    return work
  }
  const service: LockService = {
    get: (ino, owner, lock, how) => late(direct.get(ino, owner, lock, how)),
    // A signal cannot undo a grant that the service has made already.
    set: (ino, owner, lock, how) => late(direct.set(ino, owner, lock, how)),
    release: (ino, owner, kind) => late(direct.release(ino, owner, kind)),
  }
  const locks = new NodeLocks(service, { onFailure: (error) => failures.push(error) })
  const set = (lock: FileLock, owner?: string, signal?: AbortSignal) =>
    locks.resolveWait(setCondition(lock, owner), signal)
  const release = (owner = 'one', of: 'posix' | 'flock' = 'posix') =>
    locks.resolveWait({ kind: 'lock', op: 'release', ino: INO, owner, of })
  const lines = (held: HeldLock[]) =>
    held.map((it) => `${it.owner} ${it.kind} ${it.type} ${it.start}-${it.end}`).sort()
  /** The locks that the node has recorded; equal to those of the table. */
  const held = (): string[] => {
    assert.deepEqual(lines(locks.held()), lines(table.held('a')))
    return lines(locks.held())
  }
  return { table, locks, link, set, release, held, failures, marks: new LockMarks(locks.marks) }
}

test('what is granted, changed and given back is known here', async () => {
  const { set, release, held, marks, locks } = nodeOf()
  assert.equal(marks.mayHold(INO), false)
  assert.deepEqual(await set(posix('write', 0, 9)), LOCK_RESULT.set.of(INO))
  await set(posix('read', 5, 9))
  await set(flock('read'), 'open file')
  assert.deepEqual(held(), [
    'one posix read 5-9',
    'one posix write 0-4',
    `open file flock read 0-${LOCK_END}`,
  ])
  assert.equal(marks.mayHold(INO), true)
  const asked = posix('read', 0, 0)
  const get = { kind: 'lock', op: 'get', ino: INO, owner: 'two', lock: asked } as const
  const found = LOCK_RESULT.get.of(INO, posix('write', 0, 4))
  assert.deepEqual(await locks.resolveWait(get), found)
  await set(posix('unlock', 2, LOCK_END))
  await release('two')
  assert.deepEqual(held()[0], 'one posix write 0-1')
  await release()
  await release('open file', 'flock')
  assert.deepEqual(held(), [])
  assert.equal(marks.mayHold(INO), false)
})

test('a refusal changes nothing; only a flock of another type is given up', async () => {
  const { table, set, held, locks } = nodeOf()
  await set(posix('read', 0, 9))
  await set(flock('read'))
  await table.set('b', INO, '1', posix('read', 5, 5))
  await table.set('b', INO, '1', flock('read'))
  const refused = setCondition(posix('write', 0, 9), 'one', false)
  await assert.rejects(locks.resolveWait(refused), { code: 'EAGAIN' })
  await assert.rejects(locks.resolveWait(setCondition(flock('write'), 'one', false)), {
    code: 'EAGAIN',
  })
  assert.deepEqual(held(), ['one posix read 0-9'])
})

test('granted in the instant of the signal: back to what was held before', async () => {
  const { table, set, held, link, failures } = nodeOf()
  await set(posix('read', 0, 4))
  await set(posix('write', 8, 9))
  await table.set('b', INO, '1', posix('read', 10, 20))
  const gate = Promise.withResolvers<void>()
  const abort = new AbortController()
  const waiting = set(posix('write', 2, 12), 'one', abort.signal).catch((error: unknown) => error)
  await turn()
  link.gate = gate.promise
  table.dropSession('b')
  await turn()
  abort.abort(interrupted())
  gate.resolve()
  assert.equal(((await waiting) as FsError).code, 'EINTR')
  assert.deepEqual(held(), ['one posix read 0-4', 'one posix write 8-9'])
  assert.deepEqual(failures, [])
})

test('what follows for the same owner waits until the lock has been given back', async () => {
  const { table, set, held, link, release } = nodeOf()
  await table.set('b', INO, '1', posix('write', 0, 9))
  const gate = Promise.withResolvers<void>()
  const abort = new AbortController()
  const waiting = set(posix('write', 0, 9), 'one', abort.signal).catch((error: unknown) => error)
  await turn()
  link.gate = gate.promise
  table.dropSession('b')
  abort.abort(interrupted())
  // The process gets the signal and repeats the request: it must have the lock in the end.
  const again = set(posix('write', 0, 9))
  const other = set(posix('read', 20, 29), 'two')
  await turn()
  gate.resolve()
  await Promise.all([waiting, again, other])
  assert.deepEqual(held(), ['one posix write 0-9', 'two posix read 20-29'])
  await release()
  await release('two')
  assert.deepEqual(held(), [])
})

test('a wait that is given up before it is granted holds nothing', async () => {
  const { table, set, held, marks } = nodeOf()
  await table.set('b', INO, '1', posix('write', 0, 9))
  const abort = new AbortController()
  const waiting = set(posix('write', 0, 9), 'one', abort.signal)
  await turn()
  assert.equal(marks.mayHold(INO), true)
  abort.abort(interrupted())
  await assert.rejects(waiting, { code: 'EINTR' })
  await assert.rejects(set(posix('write', 20, 29), 'one', abort.signal), { code: 'EINTR' })
  assert.equal(table.waiting, 0)
  table.dropSession('b')
  assert.deepEqual(held(), [])
  assert.equal(marks.mayHold(INO), false)
})

test('an unlock is carried out, whether or not its process waits for the answer', async () => {
  const { set, held } = nodeOf()
  await set(posix('write', 0, 9))
  await set(posix('unlock', 0, 9), 'one', AbortSignal.abort(interrupted()))
  assert.deepEqual(held(), [])
})

test('closing works while the service is away; the claim says the rest', async () => {
  const { table, set, release, locks, link, failures, held } = nodeOf()
  await set(posix('write', 0, 9))
  await set(posix('write', 20, 29), 'two')
  link.isCut = true
  await assert.rejects(set(posix('read', 40, 49)), { code: 'EIO' })
  await assert.rejects(set(posix('unlock', 0, 4)), { code: 'EIO' })
  await release()
  assert.equal(failures.length, 1)
  link.isCut = false
  // Meanwhile the table was lost, and another node got the lock first.
  table.dropSession('a')
  await table.set('b', INO, '1', posix('read', 25, 25))
  const lost = table.restore('a', locks.held())
  assert.deepEqual(lost, [{ ino: INO, owner: 'two', ...posix('write', 20, 29) }])
  locks.lose(lost)
  assert.deepEqual(held(), [])
})

test('waiting for locks leaves room for what waits for other things', async () => {
  const { table, set } = nodeOf()
  await table.set('b', INO, '1', flock('write'))
  const abort = new AbortController()
  const all = Array.from({ length: limits.lockWaitersPerNode }, (_, n) =>
    set(flock('read'), `open file ${n}`, abort.signal),
  )
  await assert.rejects(set(flock('read'), 'one more'), { code: 'ENOLCK' })
  abort.abort(interrupted())
  for (const { status } of await Promise.allSettled(all)) assert.equal(status, 'rejected')
  table.dropSession('b')
  await set(flock('read'), 'one more')
})

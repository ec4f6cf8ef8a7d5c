/**
 * The lock table, case by case; file-locks-model.test.ts covers the rest at random.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOCK_END, type FileLock } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import { limits } from '../../limits.ts'
import { FileLocks } from './file-locks.ts'

const INO = 7

type Type = FileLock['type']

const posix = (type: Type, start: number, end: number, pid = 1): FileLock => ({
  kind: 'posix',
  type,
  start,
  end,
  pid,
})
const flock = (type: Type): FileLock => ({ kind: 'flock', type, start: 0, end: LOCK_END, pid: 1 })

/** A table and operations on it; owners are written `session/owner`. */
function tableOf() {
  const table = new FileLocks()
  const set = (who: string, lock: FileLock, how?: { wait: boolean; signal?: AbortSignal }) => {
    const [session = '', owner = ''] = who.split('/')
    return table.set(session, INO, owner, lock, how)
  }
  const wait = (who: string, lock: FileLock, signal?: AbortSignal) =>
    set(who, lock, { wait: true, ...(signal ? { signal } : {}) })
  const held = (session: string) =>
    table.held(session).map(({ type, start, end }) => `${type} ${start}-${end}`)
  return { table, set, wait, held }
}

/** Whether a promise is still pending. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol()
  await new Promise(setImmediate)
  const settled = promise.catch(() => undefined)
  return (await Promise.race([settled, Promise.resolve(pending)])) === pending
}

test('ranges of one owner split, merge, and change their type', async () => {
  const { set, held } = tableOf()
  await set('a/1', posix('read', 0, 99))
  await set('a/1', posix('write', 40, 59))
  assert.deepEqual(held('a'), ['read 0-39', 'write 40-59', 'read 60-99'])
  await set('a/1', posix('read', 50, 54))
  assert.deepEqual(held('a'), [
    'read 0-39',
    'write 40-49',
    'read 50-54',
    'write 55-59',
    'read 60-99',
  ])
  await set('a/1', posix('read', 40, 59))
  assert.deepEqual(held('a'), ['read 0-99'])
  await set('a/1', posix('unlock', 10, 19))
  assert.deepEqual(held('a'), ['read 0-9', 'read 20-99'])
  await set('a/1', posix('unlock', 200, LOCK_END))
  await set('a/1', posix('read', 100, 150))
  assert.deepEqual(held('a'), ['read 0-9', 'read 20-150'])
  await set('a/1', posix('write', 5, LOCK_END))
  assert.deepEqual(held('a'), ['read 0-4', 'write 5-9007199254740991'])
  await set('a/1', posix('unlock', 0, LOCK_END))
  assert.deepEqual(held('a'), [])
})

test('readers share, a writer does not, and who is told of the conflict', async () => {
  const { table, set } = tableOf()
  await set('a/1', posix('read', 0, 9, 11))
  await set('b/1', posix('read', 5, 14, 22))
  await assert.rejects(set('a/2', posix('write', 8, 8)), { code: 'EAGAIN' })
  const asked = posix('write', 10, 20)
  assert.deepEqual(table.get('b', INO, '2', asked), posix('read', 5, 14, 22))
  // A pid is meaningless on another node, or names another process there.
  assert.deepEqual(table.get('a', INO, '2', asked), posix('read', 5, 14, 0))
  assert.equal(table.get('b', INO, '1', asked), undefined)
  assert.equal(table.get('a', INO, '2', posix('read', 0, 99)), undefined)
  assert.equal(table.get('a', 8, '2', asked), undefined)
})

test('a failed upgrade leaves what was held', async () => {
  const { set, held } = tableOf()
  await set('a/1', posix('read', 0, 9))
  await set('b/1', posix('read', 5, 9))
  await assert.rejects(set('a/1', posix('write', 0, 9)), { code: 'EAGAIN' })
  assert.deepEqual(held('a'), ['read 0-9'])
})

test('who waits is granted in the order of asking', async () => {
  const { set, wait, table } = tableOf()
  const granted: string[] = []
  await set('a/1', posix('write', 0, 9))
  const one = wait('b/1', posix('write', 0, 4)).then(() => granted.push('one'))
  const two = wait('c/1', posix('read', 3, 9)).then(() => granted.push('two'))
  const three = wait('d/1', posix('read', 6, 9)).then(() => granted.push('three'))
  await set('a/1', posix('unlock', 5, 9))
  await three
  assert.deepEqual(granted, ['three'])
  table.release('a', INO, '1', 'posix')
  await one
  assert.ok(await isPending(two))
  await set('b/1', posix('unlock', 0, LOCK_END))
  await two
  assert.deepEqual(granted, ['three', 'one', 'two'])
  assert.equal(table.waiting, 0)
})

test('a downgrade lets readers in, also one that was waited for', async () => {
  const { set, wait } = tableOf()
  await set('a/1', posix('write', 0, 9))
  await set('b/1', posix('write', 10, 19))
  const reader = wait('c/1', posix('read', 0, 9))
  const downgrade = wait('a/1', posix('read', 0, 19))
  assert.ok(await isPending(reader))
  await set('b/1', posix('unlock', 10, 19))
  await Promise.all([downgrade, reader])
})

test('a wait that is given up leaves nothing behind', async () => {
  const { table, set, wait, held } = tableOf()
  await set('a/1', posix('write', 0, 9))
  const abort = new AbortController()
  const waiting = wait('b/1', posix('write', 5, 14), abort.signal)
  abort.abort(new FsError('EINTR', 'a signal'))
  await assert.rejects(waiting, { code: 'EINTR' })
  assert.equal(table.waiting, 0)
  await set('a/1', posix('unlock', 0, 9))
  assert.deepEqual(held('b'), [])
  await assert.rejects(wait('b/1', posix('write', 0, 9), abort.signal), { code: 'EINTR' })
  assert.deepEqual(held('b'), [])
})

test('once granted, giving up comes too late', async () => {
  const { set, wait, held } = tableOf()
  await set('a/1', posix('write', 0, 9))
  const abort = new AbortController()
  const waiting = wait('b/1', posix('write', 0, 9), abort.signal)
  const unlocked = set('a/1', posix('unlock', 0, 9))
  abort.abort()
  await Promise.all([waiting, unlocked])
  assert.deepEqual(held('b'), ['write 0-9'])
})

test('a circle of waiting processes is refused, also across files and nodes', async () => {
  const { table, set, wait } = tableOf()
  await set('a/1', posix('write', 0, 0))
  await set('b/1', posix('write', 1, 1))
  await table.set('c', 8, '1', posix('read', 0, 9))
  const first = wait('a/1', posix('read', 1, 1))
  const second = table.set('b', 8, '1', posix('write', 5, 5), { wait: true })
  await assert.rejects(wait('c/1', posix('write', 0, 5)), { code: 'EDEADLK' })
  await assert.rejects(wait('b/1', posix('write', 0, 0)), { code: 'EDEADLK' })
  // A request that does not wait cannot deadlock, and one outside the cycle may wait.
  await assert.rejects(set('c/1', posix('write', 0, 5)), { code: 'EAGAIN' })
  const outside = wait('d/1', posix('write', 0, 0))
  table.dropSession('c')
  await second
  table.dropSession('b')
  await first
  table.dropSession('a')
  await outside
})

test('flock: one lock on the whole file, apart from POSIX locks', async () => {
  const { table, set, wait, held } = tableOf()
  await set('a/1', posix('write', 0, LOCK_END))
  await set('a/9', flock('read'))
  await set('b/9', flock('read'))
  await assert.rejects(set('c/9', flock('write')), { code: 'EAGAIN' })
  await assert.rejects(set('a/9', { ...flock('read'), start: 1 }), { code: 'EINVAL' })
  const writer = wait('c/9', flock('write'))
  table.release('a', INO, '9', 'flock')
  assert.ok(await isPending(writer))
  await set('b/9', flock('unlock'))
  await writer
  assert.deepEqual(held('a'), ['write 0-9007199254740991'])
  assert.deepEqual(held('b'), [])
})

test('flock: who changes the type gives the old one up first', async () => {
  const { set, wait, held } = tableOf()
  await set('a/1', flock('read'))
  await set('b/1', flock('read'))
  const writer = wait('c/1', flock('write'))
  await assert.rejects(set('a/1', flock('write')), { code: 'EAGAIN' })
  assert.deepEqual(held('a'), [])
  const upgrade = wait('b/1', flock('write'))
  await writer
  assert.ok(await isPending(upgrade))
  await set('c/1', flock('unlock'))
  await upgrade
  await set('b/1', flock('write'))
  assert.deepEqual(held('b'), ['write 0-9007199254740991'])
})

test('a session that ends takes its locks and its waiting with it', async () => {
  const { table, set, wait, held } = tableOf()
  await set('a/1', posix('write', 0, 9))
  await set('a/2', flock('write'))
  await table.set('a', 8, '3', posix('read', 0, 9))
  await set('b/1', posix('write', 20, 29))
  const ours = wait('a/1', posix('write', 20, 29))
  const theirs = [wait('c/1', posix('write', 5, 5)), wait('b/2', flock('write'))]
  table.dropSession('a')
  await assert.rejects(ours, { code: 'ECANCELED' })
  await Promise.all(theirs)
  assert.deepEqual(held('a'), [])
  table.dropSession('nobody')
})

test('a node claims again what it held, and learns what it lost', async () => {
  const { table, set, wait } = tableOf()
  await set('a/1', posix('read', 0, 9))
  await set('a/1', posix('write', 20, 29))
  await set('a/2', flock('write'))
  const locks = table.held('a')
  assert.equal(locks.length, 3)
  assert.deepEqual(locks[0], { ...posix('read', 0, 9), ino: INO, owner: '1' })
  const after = new FileLocks()
  assert.deepEqual(after.restore('a', locks), [])
  assert.deepEqual(after.held('a'), locks)
  assert.deepEqual(after.restore('b', [{ ...locks[0], type: 'write' }]).length, 1)
  assert.deepEqual(after.held('b'), [])
  // Locks that it does not claim are dropped: an answer may have been lost.
  const waiting = wait('b/1', posix('write', 20, 29))
  const stale = wait('a/3', flock('read'))
  assert.deepEqual(table.restore('a', locks.slice(0, 1)), [])
  await waiting
  await assert.rejects(stale, { code: 'ECANCELED' })
  assert.deepEqual(table.held('a'), locks.slice(0, 1))
})

test('what is held and what waits is bounded', async () => {
  const { table, set, wait, held } = tableOf()
  const every = (from: number) => posix('write', from * 2, from * 2)
  for (let n = 0; n < limits.locksPerSession; n++) await set('a/1', every(n))
  await assert.rejects(set('a/1', every(limits.locksPerSession)), { code: 'ENOLCK' })
  await assert.rejects(set('a/2', flock('read')), { code: 'ENOLCK' })
  await set('b/1', flock('read'))
  await set('a/1', posix('write', 0, 4))
  assert.equal(held('a').length, limits.locksPerSession - 2)
  await set('a/1', posix('unlock', 2, 2))
  await set('a/1', posix('unlock', 0, LOCK_END))
  assert.equal(table.held('a').length, 0)

  const waiting: Promise<void>[] = []
  for (let n = 0; n < limits.lockWaiters; n++) waiting.push(wait(`c/${n}`, flock('write')))
  await assert.rejects(wait('d/1', flock('write')), { code: 'ENOLCK' })
  table.dropSession('c')
  for (const it of await Promise.allSettled(waiting)) assert.equal(it.status, 'rejected')
  assert.equal(table.waiting, 0)
})

test('a lock that makes no sense is refused', async () => {
  const { set } = tableOf()
  const bad: FileLock[] = [
    posix('write', -1, 5),
    posix('write', 5, 4),
    posix('write', 0, 2 ** 53),
    posix('write', 0.5, 1),
    posix('read', 0, 1, NaN),
    { ...posix('read', 0, 1), type: 'exclusive' as Type },
    { ...posix('read', 0, 1), kind: 'lease' as 'posix' },
  ]
  for (const lock of bad) await assert.rejects(set('a/1', lock), { code: 'EINVAL' })
})

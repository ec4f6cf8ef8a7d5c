/**
 * Compares the lock table with a simple model: one entry per byte and owner. Operations are random,
 * from a seed that is printed; CACHEFS_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOCK_END, type FileLock, type LockKind } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import { Random } from '../../../test/fixtures/random.ts'
import { FileLocks } from './file-locks.ts'

const BYTES = 12
const STEPS = 10_000
const SESSIONS = ['a', 'b', 'c']
const INODES = [1, 2]
const KINDS: readonly LockKind[] = ['posix', 'flock']

interface ModelWaiter {
  file: string
  who: string
  lock: FileLock
  abort: AbortController
  outcome: string
}

const emptyByte = () => new Map<string, FileLock['type']>()

/** Files are `ino kind`, owners `session owner`; `held[file][byte][owner]` is the type. */
class Model {
  readonly held = new Map<string, Map<string, FileLock['type']>[]>()
  readonly waiters: ModelWaiter[] = []

  bytes(file: string): Map<string, FileLock['type']>[] {
    const known = this.held.get(file) ?? Array.from({ length: BYTES }, emptyByte)
    this.held.set(file, known)
    return known
  }

  blockers(file: string, who: string, lock: FileLock): Set<string> {
    const found = new Set<string>()
    if (lock.type === 'unlock') return found
    for (const owners of this.bytes(file).slice(lock.start, lock.end + 1)) {
      for (const [other, type] of owners) {
        if (other !== who && (type === 'write' || lock.type === 'write')) found.add(other)
      }
    }
    return found
  }

  apply(file: string, who: string, lock: FileLock): void {
    for (const owners of this.bytes(file).slice(lock.start, lock.end + 1)) {
      if (lock.type === 'unlock') owners.delete(who)
      else owners.set(who, lock.type)
    }
  }

  wake(): void {
    for (let again = true; again;) {
      again = false
      for (const waiter of this.waiters) {
        const { file, who, lock } = waiter
        if (waiter.outcome !== '' || this.blockers(file, who, lock).size > 0) continue
        this.apply(file, who, lock)
        waiter.outcome = 'granted'
        again = true
      }
    }
  }

  wouldDeadlock(file: string, who: string, lock: FileLock): boolean {
    const reached = this.blockers(file, who, lock)
    for (const owner of reached) {
      for (const waiter of this.waiters) {
        if (waiter.who !== owner || waiter.outcome !== '' || waiter.lock.kind === 'flock') continue
        for (const it of this.blockers(waiter.file, owner, waiter.lock)) reached.add(it)
      }
    }
    return reached.has(who)
  }

  /** Expected immediate answer of the table: `granted`, an error, or `` for a wait. */
  set(file: string, who: string, lock: FileLock, wait: boolean): string {
    const isFlock = lock.kind === 'flock'
    if (isFlock && lock.type !== 'unlock' && this.bytes(file)[0]!.get(who) !== lock.type) {
      this.apply(file, who, { ...lock, type: 'unlock' })
      this.wake()
    }
    if (this.blockers(file, who, lock).size > 0) {
      if (!wait) return 'EAGAIN'
      return !isFlock && this.wouldDeadlock(file, who, lock) ? 'EDEADLK' : ''
    }
    this.apply(file, who, lock)
    this.wake()
    return 'granted'
  }

  drop(session: string): void {
    for (const waiter of this.waiters) {
      if (waiter.who.startsWith(`${session} `)) waiter.outcome ||= 'ECANCELED'
    }
    for (const owners of [...this.held.values()].flat()) {
      for (const who of owners.keys()) if (who.startsWith(`${session} `)) owners.delete(who)
    }
    this.wake()
  }

  /** The locks of a session as the table should list them, merged where they touch. */
  list(session: string): string[] {
    const lines: string[] = []
    for (const [file, bytes] of this.held) {
      const all = new Set(bytes.flatMap((owners) => [...owners.keys()]))
      for (const who of [...all].filter((it) => it.startsWith(`${session} `))) {
        for (let at = 0; at < BYTES; at++) {
          const type = bytes[at]!.get(who)
          const start = at
          while (type !== undefined && bytes[at + 1]?.get(who) === type) at++
          if (type !== undefined) lines.push(`${file} ${who} ${type} ${start}-${at}`)
        }
      }
    }
    return lines.sort()
  }
}

/** In the model a flock covers all bytes. */
function modelled(lock: FileLock): FileLock {
  return lock.kind === 'flock' ? { ...lock, end: BYTES - 1 } : lock
}

class Comparison {
  readonly table = new FileLocks()
  readonly model = new Model()
  readonly #random: Random
  /** Answers of the table, by waiter of the model. */
  readonly #answers = new Map<ModelWaiter, string>()

  constructor(random: Random) {
    this.#random = random
  }

  async step(): Promise<void> {
    const dice = this.#random.below(100)
    if (dice < 70) await this.#set()
    else if (dice < 80) this.#release()
    else if (dice < 94) this.#giveUp()
    else if (dice < 97) this.#drop()
    else this.#restore()
    for (let n = 0; n < 5; n++) await Promise.resolve()
    this.#compare()
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)]!
  }

  #lock(): FileLock {
    const type = this.#pick(['read', 'write', 'unlock', 'read', 'write'] as const)
    if (this.#random.below(4) === 0) return { kind: 'flock', type, start: 0, end: LOCK_END, pid: 5 }
    const start = this.#random.below(BYTES)
    return { kind: 'posix', type, start, end: start + this.#random.below(BYTES - start), pid: 5 }
  }

  #who() {
    const [session, owner, ino] = [this.#pick(SESSIONS), this.#pick(['1', '2']), this.#pick(INODES)]
    return { session, owner, ino, who: `${session} ${owner}` }
  }

  async #set(): Promise<void> {
    const { session, owner, ino, who } = this.#who()
    const lock = this.#lock()
    const wait = this.#random.below(2) === 0
    const file = `${ino} ${lock.kind}`
    const free = this.model.blockers(file, who, modelled(lock)).size === 0
    assert.equal(this.table.get(session, ino, owner, lock) === undefined, free)
    const abort = new AbortController()
    const expected = this.model.set(file, who, modelled(lock), wait)
    const waiter: ModelWaiter = { file, who, lock: modelled(lock), abort, outcome: expected }
    this.model.waiters.push(waiter)
    this.#answers.set(waiter, '')
    void this.table.set(session, ino, owner, lock, { wait, signal: abort.signal }).then(
      () => this.#answers.set(waiter, 'granted'),
      (error: unknown) => this.#answers.set(waiter, (error as FsError).code),
    )
  }

  #release(): void {
    const { session, owner, ino, who } = this.#who()
    const kind = this.#pick(KINDS)
    this.table.release(session, ino, owner, kind)
    const all = { kind, type: 'unlock', start: 0, end: BYTES - 1, pid: 0 } as const
    this.model.apply(`${ino} ${kind}`, who, all)
    this.model.wake()
  }

  #giveUp(): void {
    const waiting = this.model.waiters.filter((it) => it.outcome === '')
    if (waiting.length === 0) return
    const waiter = this.#pick(waiting)
    waiter.abort.abort(new FsError('EINTR', 'a signal'))
    waiter.outcome = 'EINTR'
  }

  #drop(): void {
    const session = this.#pick(SESSIONS)
    this.table.dropSession(session)
    this.model.drop(session)
  }

  /** The session claims all its locks: only its waits end. */
  #restore(): void {
    const session = this.#pick(SESSIONS)
    assert.deepEqual(this.table.restore(session, this.table.held(session)), [])
    for (const waiter of this.model.waiters) {
      if (waiter.who.startsWith(`${session} `)) waiter.outcome ||= 'ECANCELED'
    }
  }

  #compare(): void {
    for (const waiter of this.model.waiters) {
      assert.equal(this.#answers.get(waiter), waiter.outcome, `${waiter.file}: ${waiter.who}`)
    }
    const waiting = this.model.waiters.filter((it) => it.outcome === '')
    assert.equal(this.table.waiting, waiting.length)
    this.model.waiters.splice(0, Infinity, ...waiting)
    for (const session of SESSIONS) {
      const held = this.table.held(session).map((it) => {
        const end = it.kind === 'flock' ? BYTES - 1 : it.end
        return `${it.ino} ${it.kind} ${session} ${it.owner} ${it.type} ${it.start}-${end}`
      })
      assert.deepEqual(held.sort(), this.model.list(session))
    }
  }
}

test('any sequence of operations does what a map of bytes does', async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  const comparison = new Comparison(random)
  for (let step = 0; step < STEPS; step++) {
    try {
      await comparison.step()
    } catch (cause) {
      throw new Error(`step ${step}; repeat with CACHEFS_SEED=${random.seed}`, { cause })
    }
  }
})

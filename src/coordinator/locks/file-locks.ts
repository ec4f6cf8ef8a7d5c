/**
 * The file locks of all nodes, in memory: the owners of byte ranges of inodes, and the requests
 * that wait. An owner is a session (one node) with the lock owner that its kernel sends. Every
 * change is made synchronously within the call; only waiters use promises.
 *
 * Grants follow Linux. A request without a conflicting lock is granted at once, even if others wait
 * (a reader that waits for a waiting writer would deadlock nested shared locks). Waiting requests
 * are granted in the order of their arrival. Changing the type of a flock releases the old lock
 * first. A POSIX request that would wait for itself fails with EDEADLK.
 *
 * Invariants: a waiter is granted or refused exactly once and is removed then. The locks and
 * waiters of a session are counted, and are removed with the session.
 */
import { abortError, throwIfAborted } from '../../base/async/abort.ts'
import { LOCK_END, type FileLock, type HeldLock, type LockKind } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import { LockRanges } from '../../base/lock-ranges.ts'
import { coordinatorLimits } from '../limits.ts'

export interface LockWait {
  /** Wait until the lock can be granted; otherwise a conflict is EAGAIN. */
  wait: boolean
  /** Ends the wait without a lock. No effect after the grant. */
  signal?: AbortSignal | undefined
}

interface LockedFile {
  ino: number
  ranges: Record<LockKind, LockRanges>
  /** In the order of their arrival. */
  waiters: Set<Waiter>
}

interface Request {
  session: string
  /** Session and owner. */
  key: string
  file: LockedFile
  lock: FileLock
}

interface Waiter extends Request {
  settle(error?: unknown): void
}

interface Session {
  /** Number of ranges, in total and by inode. */
  held: number
  inodes: Map<number, number>
  waiters: Set<Waiter>
}

export class FileLocks {
  readonly #files = new Map<number, LockedFile>()
  readonly #sessions = new Map<string, Session>()
  /** Waiting POSIX requests, by owner: the edges of the graph in which deadlocks are searched. */
  readonly #waitsOf = new Map<string, Set<Waiter>>()
  #waiting = 0

  /** Number of waiting requests. */
  get waiting(): number {
    return this.#waiting
  }

  /** A conflicting lock; its pid is given only if it belongs to the same session. */
  get(session: string, ino: number, owner: string, lock: FileLock): FileLock | undefined {
    checkLock(lock)
    const ranges = this.#files.get(ino)?.ranges[lock.kind]
    for (const found of ranges?.conflicts(keyOf(session, owner), lock) ?? []) {
      const isOurs = found.owner.startsWith(keyOf(session, ''))
      return { kind: lock.kind, ...found.range, pid: isOurs ? found.range.pid : 0 }
    }
    return undefined
  }

  /** Resolves when the lock is granted or released; synchronously if possible. */
  async set(
    session: string,
    ino: number,
    owner: string,
    lock: FileLock,
    { wait, signal }: LockWait = { wait: false },
  ): Promise<void> {
    checkLock(lock)
    throwIfAborted(signal, 'waiting for a lock')
    const file = this.#file(ino)
    const request = { session, key: keyOf(session, owner), file, lock: { ...lock } }
    try {
      if (lock.kind === 'flock') this.#giveUpOther(request)
      if (!file.ranges[lock.kind].hasConflict(request.key, lock)) {
        const mayFree = lock.type !== 'write' && file.ranges[lock.kind].of(request.key).length > 0
        this.#apply(request)
        if (mayFree) this.#wake(file)
        return
      }
      if (!wait) throw new FsError('EAGAIN', 'another process holds a lock on this')
      this.#checkWait(request)
    } finally {
      this.#tidy(file)
    }
    await this.#wait(request, signal)
  }

  /** Releases all locks of an owner on an inode, at its last close. */
  release(session: string, ino: number, owner: string, kind: LockKind): void {
    const file = this.#files.get(ino)
    if (file === undefined) return
    const count = file.ranges[kind].remove(keyOf(session, owner))
    if (count === 0) return
    this.#count(session, ino, -count)
    this.#wake(file)
    this.#tidy(file)
  }

  /** Removes the locks and waiters of a node that has left. */
  dropSession(session: string): void {
    const inodes = this.#clear(session, 'the session has ended')
    for (const ino of inodes) this.#settled(ino)
  }

  /** All locks of a session. */
  held(session: string): HeldLock[] {
    const prefix = keyOf(session, '')
    const inodes = [...(this.#sessions.get(session)?.inodes.keys() ?? [])]
    return inodes.flatMap((ino) => {
      const { ranges } = this.#files.get(ino)!
      return (['posix', 'flock'] as const).flatMap((kind) =>
        ownersOf(ranges[kind], prefix).flatMap((key) =>
          ranges[kind].of(key).map((it) => ({ ino, owner: key.slice(prefix.length), kind, ...it })),
        ),
      )
    })
  }

  /**
   * Replaces the locks of a session by those that the node claims after the coordinator or the
   * connection was unavailable, and ends all its waits. Returns the claimed locks that conflict
   * with those of others by now, or exceed the limit.
   */
  restore(session: string, locks: readonly HeldLock[]): HeldLock[] {
    for (const lock of locks) checkLock(lock)
    const inodes = this.#clear(session, 'the connection was away')
    const lost = locks.filter(({ ino, owner, kind, type, start, end, pid }) => {
      const lock = { kind, type, start, end, pid }
      const request = { session, key: keyOf(session, owner), file: this.#file(ino), lock }
      inodes.add(ino)
      const isFree = !request.file.ranges[kind].hasConflict(request.key, lock)
      const isKept = isFree && this.#hasRoom(request)
      if (isKept) this.#apply(request)
      return !isKept
    })
    for (const ino of inodes) this.#settled(ino)
    return lost
  }

  /** Releases a flock of another type first; other requests may be granted in between. */
  #giveUpOther({ session, key, file, lock }: Request): void {
    const { flock } = file.ranges
    if (lock.type === 'unlock' || flock.covers(key, lock)) return
    const count = flock.remove(key)
    if (count === 0) return
    this.#count(session, file.ino, -count)
    this.#wake(file)
  }

  #apply(request: Request): void {
    const { session, key, file, lock } = request
    if (!this.#hasRoom(request)) {
      throw new FsError('ENOLCK', `a node holds ${coordinatorLimits.locksPerSession} locks at most`)
    }
    const ranges = file.ranges[lock.kind]
    this.#count(session, file.ino, ranges.growth(key, lock))
    ranges.set(key, lock)
  }

  /** An unlock in the middle splits a range in two, so it may need room too. */
  #hasRoom({ session, key, file, lock }: Request): boolean {
    const growth = file.ranges[lock.kind].growth(key, lock)
    return growth <= 0 || this.#session(session).held + growth <= coordinatorLimits.locksPerSession
  }

  #checkWait(request: Request): void {
    if (request.lock.kind === 'posix' && this.#wouldDeadlock(request)) {
      throw new FsError('EDEADLK', 'the lock is held by one who waits for this process')
    }
    if (this.#waiting >= coordinatorLimits.lockWaiters) {
      throw new FsError(
        'ENOLCK',
        `${coordinatorLimits.lockWaiters} requests wait for a lock already`,
      )
    }
  }

  /** Follows the waits-for graph. A search beyond the limit finds nothing, as in the kernel. */
  #wouldDeadlock(request: Request): boolean {
    const seen = new Set<string>()
    const next = blockersOf(request)
    for (let owner = next.pop(); owner !== undefined; owner = next.pop()) {
      if (owner === request.key) return true
      if (seen.has(owner)) continue
      if (seen.add(owner).size > coordinatorLimits.lockDeadlockOwners) return false
      for (const waiter of this.#waitsOf.get(owner) ?? []) next.push(...blockersOf(waiter))
    }
    return false
  }

  #wait(request: Request, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = {
      ...request,
      settle: (error) => {
        signal?.removeEventListener('abort', onAbort)
        this.#leave(waiter)
        if (error === undefined) resolve()
        else reject(error)
      },
    }
    const onAbort = (): void => {
      waiter.settle(abortError(signal!, 'waiting for a lock'))
      this.#tidy(waiter.file)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#enter(waiter)
    return promise
  }

  #enter(waiter: Waiter): void {
    const { file, session, key, lock } = waiter
    file.waiters.add(waiter)
    this.#session(session).waiters.add(waiter)
    this.#waiting++
    if (lock.kind !== 'posix') return
    const waits = this.#waitsOf.get(key) ?? new Set()
    this.#waitsOf.set(key, waits.add(waiter))
  }

  #leave(waiter: Waiter): void {
    const { file, session, key } = waiter
    file.waiters.delete(waiter)
    this.#waiting--
    const waits = this.#waitsOf.get(key)
    waits?.delete(waiter)
    if (waits?.size === 0) this.#waitsOf.delete(key)
    this.#sessions.get(session)?.waiters.delete(waiter)
    this.#tidySession(session)
  }

  /** Grants waiters without a conflict; a grant may be a downgrade, which can free others. */
  #wake(file: LockedFile): void {
    for (let again = file.waiters.size > 0; again;) {
      again = false
      for (const waiter of file.waiters) {
        const { key, lock } = waiter
        if (file.ranges[lock.kind].hasConflict(key, lock)) continue
        again ||= lock.type === 'read'
        this.#grant(waiter)
      }
    }
  }

  #grant(waiter: Waiter): void {
    try {
      this.#apply(waiter)
      waiter.settle()
    } catch (error) {
      waiter.settle(error)
    }
  }

  /** Removes everything of a session; returns the inodes that were affected. */
  #clear(session: string, why: string): Set<number> {
    const { waiters, inodes } = this.#session(session)
    const touched = new Set(inodes.keys())
    for (const waiter of [...waiters]) {
      touched.add(waiter.file.ino)
      waiter.settle(new FsError('ECANCELED', `waiting for a lock: ${why}`))
    }
    const prefix = keyOf(session, '')
    for (const ino of inodes.keys()) {
      const { posix, flock } = this.#files.get(ino)!.ranges
      for (const ranges of [posix, flock]) {
        for (const key of ownersOf(ranges, prefix)) ranges.remove(key)
      }
    }
    this.#sessions.delete(session)
    return touched
  }

  #settled(ino: number): void {
    const file = this.#files.get(ino)
    if (file === undefined) return
    this.#wake(file)
    this.#tidy(file)
  }

  #count(session: string, ino: number, change: number): void {
    if (change === 0) return
    const state = this.#session(session)
    const held = (state.inodes.get(ino) ?? 0) + change
    state.held += change
    if (held === 0) state.inodes.delete(ino)
    else state.inodes.set(ino, held)
    this.#tidySession(session)
  }

  #file(ino: number): LockedFile {
    const known = this.#files.get(ino)
    if (known !== undefined) return known
    const ranges = { posix: new LockRanges(), flock: new LockRanges() }
    const made = { ino, ranges, waiters: new Set<Waiter>() }
    this.#files.set(ino, made)
    return made
  }

  #tidy({ ino, ranges, waiters }: LockedFile): void {
    if (waiters.size === 0 && ranges.posix.isEmpty && ranges.flock.isEmpty) this.#files.delete(ino)
  }

  #session(session: string): Session {
    const known = this.#sessions.get(session)
    if (known !== undefined) return known
    const made = { held: 0, inodes: new Map<number, number>(), waiters: new Set<Waiter>() }
    this.#sessions.set(session, made)
    return made
  }

  #tidySession(session: string): void {
    const state = this.#sessions.get(session)
    if (state?.held === 0 && state.waiters.size === 0) this.#sessions.delete(session)
  }
}

function keyOf(session: string, owner: string): string {
  return `${session}\0${owner}`
}

function ownersOf(ranges: LockRanges, prefix: string): string[] {
  return [...ranges.owners()].filter((key) => key.startsWith(prefix))
}

function blockersOf({ key, file, lock }: Request): string[] {
  return [...file.ranges[lock.kind].conflicts(key, lock)].map(({ owner }) => owner)
}

/** Locks come from other machines, so they are checked. */
function checkLock({ kind, type, start, end, pid }: FileLock): void {
  const isKnown = ['posix', 'flock'].includes(kind) && ['read', 'write', 'unlock'].includes(type)
  const isRange = [start, end, pid].every(Number.isSafeInteger) && start >= 0 && end >= start
  const isWhole = kind === 'posix' || (start === 0 && end === LOCK_END)
  if (isKnown && isRange && isWhole) return
  throw new FsError('EINVAL', `no lock: ${kind} ${type} ${start} to ${end}`)
}

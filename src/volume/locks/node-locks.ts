/**
 * The file locks of the processes on this node, on the main thread: sends requests to the service
 * that keeps the locks of all nodes, and records what was granted, so that it can be claimed again
 * after the service was unavailable.
 *
 * Invariants: an interrupted process keeps exactly the locks that it had before. If a lock was
 * granted in that instant, it is released before the next request of the same owner. A release
 * never fails: if it did not reach the service, the claim after the reconnection leaves that lock
 * out.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { abortError, throwIfAborted } from '../../base/async/abort.ts'
import type { WaitResult } from '../../base/suspended.ts'
import type { FileLock, HeldLock, LockKind } from '../../base/file-lock.ts'
import { FsError, codeOf } from '../../base/fs-error.ts'
import { LockRanges } from '../../base/lock-ranges.ts'
import { volumeLimits } from '../limits.ts'
import { LockMarks } from './lock-marks.ts'
import { LOCK_RESULT, type LockWaitCondition, type LockService } from './lock-service.ts'

/** The locks of one kind that one owner has on one inode. */
interface Holder {
  readonly ino: number
  readonly owner: string
  readonly kind: LockKind
  readonly ranges: LockRanges
  /**
   * The open file it last made a request through; undefined: the locks are of an earlier process.
   */
  handle: string | undefined
  /** Calls in progress. */
  calls: number
  /** Abandoned calls that have not ended; later calls wait for them. */
  ending: Promise<unknown> | undefined
}

export interface NodeLocksOptions {
  /** Called with errors that occur after the process was answered. */
  onFailure: (error: unknown) => void
  /** Locks that processes obtained through an earlier process of this node. */
  held?: readonly HeldLock[]
  /** Called with all locks of an owner before its request is answered. */
  note?: ((holder: string, locks: readonly HeldLock[]) => void) | undefined
}

type SetLockCondition = LockWaitCondition & { op: 'set' }

export class NodeLocks {
  readonly #service: LockService
  readonly #options: NodeLocksOptions
  readonly #holders = new Map<string, Holder>()
  readonly #marks = new LockMarks()
  #waiting = 0

  constructor(service: LockService, options: NodeLocksOptions) {
    this.#service = service
    this.#options = options
    for (const { ino, owner, kind, ...range } of options.held ?? []) {
      const holder = this.#enter(ino, owner, kind)
      holder.ranges.set(owner, range)
      this.#leave(holder)
    }
  }

  /** Memory for the threads' `VolumeLocks`. */
  get marks(): SharedArrayBuffer {
    return this.#marks.memory
  }

  async resolveWait(condition: LockWaitCondition, signal?: AbortSignal): Promise<WaitResult> {
    const { ino } = condition
    if (condition.op === 'close') {
      await this.#close(ino, condition.handle)
      return LOCK_RESULT.close.of(ino)
    }
    const { owner } = condition
    if (condition.op === 'get') {
      const found = await this.#service.get(ino, owner, condition.lock, { signal })
      return LOCK_RESULT.get.of(ino, found)
    }
    const done = LOCK_RESULT[condition.op].of(ino)
    const kind = condition.op === 'set' ? condition.lock.kind : condition.of
    // A close by a process without locks, while another process has some.
    if (condition.op === 'release' && !this.#holders.has(keyOf(ino, owner, kind))) return done
    const holder = this.#enter(ino, owner, kind)
    if (condition.op === 'set') holder.handle = condition.handle
    try {
      if (holder.ending !== undefined) await holder.ending
      if (condition.op === 'release') await this.#release(holder)
      else if (condition.lock.type === 'unlock') await this.#unlock(holder, condition.lock)
      else await this.#set(holder, condition, signal)
    } finally {
      this.#leave(holder)
    }
    return done
  }

  /**
   * Releases the POSIX locks that were requested through an open file that is gone. The locks of a
   * process are released when it closes its descriptor; the rest belong to the open file itself.
   */
  async #close(ino: number, handle: string): Promise<void> {
    for (const { kind, owner, ...holder } of [...this.#holders.values()]) {
      if (kind !== 'posix' || holder.ino !== ino || holder.handle !== handle) continue
      await this.resolveWait({ kind: 'lock', op: 'release', ino, owner, of: kind })
    }
  }

  /** All locks of this node: what it claims after the service was unavailable. */
  held(): HeldLock[] {
    return [...this.#holders.values()].flatMap(heldBy)
  }

  /** Drops locks that were claimed and that others have by now. */
  lose(locks: readonly HeldLock[]): void {
    for (const { ino, owner, kind, ...range } of locks) {
      const holder = this.#enter(ino, owner, kind)
      holder.ranges.set(owner, { ...range, type: 'unlock' })
      this.#leave(holder)
    }
  }

  async #set(
    holder: Holder,
    condition: SetLockCondition,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    throwIfAborted(signal, 'waiting for a lock')
    if (condition.wait && this.#waiting >= volumeLimits.lockWaitersPerNode) {
      throw new FsError('ENOLCK', `${this.#waiting} processes wait for a lock already`)
    }
    const call = this.#ask(holder, condition, signal)
    const onAbort = (): void => {
      const ending = Promise.allSettled([holder.ending, call]).then(() => {
        if (holder.ending === ending) holder.ending = undefined
      })
      holder.ending = ending
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    if (condition.wait) this.#waiting++
    try {
      await call
    } finally {
      if (condition.wait) this.#waiting--
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async #ask(
    holder: Holder,
    condition: SetLockCondition,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { owner, ranges } = holder
    const { lock } = condition
    // A conversion of a flock releases the old lock first, even if the new one is not granted.
    if (lock.kind === 'flock' && !ranges.covers(owner, lock)) ranges.remove(owner)
    await this.#setSoon(holder, condition, signal)
    if (signal?.aborted) {
      await this.#undo(holder, lock)
      throw abortError(signal, 'waiting for a lock')
    }
    ranges.set(owner, lock)
  }

  /**
   * Retries a non-blocking request once if another open file of this node has locks of that kind:
   * it may be closed already, since the kernel reports that after close(2) has returned.
   */
  async #setSoon(
    holder: Holder,
    condition: SetLockCondition,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { ino, owner } = holder
    const { lock, wait } = condition
    try {
      await this.#service.set(ino, owner, lock, { wait, signal })
    } catch (error) {
      if (wait || codeOf(error) !== 'EAGAIN' || !this.#hasOther(holder)) throw error
      await delay(volumeLimits.lockCloseMs, undefined, { signal }).catch(() => undefined)
      await this.#service.set(ino, owner, lock, { wait, signal })
    }
  }

  /**
   * Whether another owner of this node has a lock of that kind, which may end with its open file.
   */
  #hasOther({ ino, kind, owner }: Holder): boolean {
    return [...this.#holders.values()].some(
      (other) => other.ino === ino && other.kind === kind && other.owner !== owner,
    )
  }

  /** Restores the locks from before a grant that nobody waited for any more. */
  async #undo({ ino, owner, kind, ranges }: Holder, granted: FileLock): Promise<void> {
    for (const piece of ranges.pieces(owner, granted.start, granted.end)) {
      if (piece.type === granted.type) continue
      try {
        await this.#service.set(ino, owner, { kind, ...piece }, { wait: false })
      } catch (error) {
        // Another reader got a lock in between, so the write lock cannot be restored.
        if (piece.type === 'write') ranges.set(owner, { ...piece, type: granted.type })
        this.#options.onFailure(error)
      }
    }
  }

  async #unlock({ ino, owner, ranges }: Holder, lock: FileLock): Promise<void> {
    await this.#service.set(ino, owner, lock, { wait: false })
    ranges.set(owner, lock)
  }

  async #release({ ino, owner, kind, ranges }: Holder): Promise<void> {
    try {
      await this.#service.release(ino, owner, kind)
    } catch (error) {
      this.#options.onFailure(error)
    } finally {
      ranges.remove(owner)
    }
  }

  #enter(ino: number, owner: string, kind: LockKind): Holder {
    const key = keyOf(ino, owner, kind)
    const known = this.#holders.get(key)
    const ranges = new LockRanges()
    const fresh = { ino, owner, kind, ranges, handle: undefined, calls: 0, ending: undefined }
    const holder: Holder = known ?? fresh
    if (known === undefined) {
      this.#holders.set(key, holder)
      if (kind === 'posix') this.#marks.add(ino)
    }
    holder.calls++
    return holder
  }

  #leave(holder: Holder): void {
    const { ino, owner, kind, ranges } = holder
    this.#options.note?.(keyOf(ino, owner, kind), heldBy(holder))
    if (--holder.calls > 0 || !ranges.isEmpty) return
    this.#holders.delete(keyOf(ino, owner, kind))
    if (kind === 'posix') this.#marks.remove(ino)
  }
}

function heldBy({ ino, owner, kind, ranges }: Holder): HeldLock[] {
  return ranges.of(owner).map((range) => ({ ino, owner, kind, ...range }))
}

function keyOf(ino: number, owner: string, kind: LockKind): string {
  return `${kind} ${ino} ${owner}`
}

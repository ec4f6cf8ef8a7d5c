/**
 * The file locks that processes on this node hold and ask for, on the main thread: asks the service
 * that keeps those of all nodes, and remembers what was granted, so that it can be claimed again
 * when the service was away.
 *
 * Invariants: a process that is interrupted holds what it held before, also if the lock was granted
 * in that instant: it is given back before anything else is asked for the same owner. A release
 * never fails: what the service was not told, it learns when the node claims its locks.
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

/** One owner on one inode. */
interface Holder {
  readonly ino: number
  readonly owner: string
  readonly kind: LockKind
  readonly ranges: LockRanges
  /** The open file that it last asked through; undefined: an earlier process knew. */
  handle: string | undefined
  /** Calls under way. */
  calls: number
  /** Calls that were given up and have not ended: those that follow wait for them. */
  ending: Promise<unknown> | undefined
}

export interface NodeLocksOptions {
  /** What went wrong after the process was answered. */
  onFailure: (error: unknown) => void
  /** Held by processes for which an earlier process of this node got them. */
  held?: readonly HeldLock[]
  /** Told all that a holder has, before it is answered. */
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

  /** For the threads' `VolumeLocks`. */
  get marks(): SharedArrayBuffer {
    return this.#marks.memory
  }

  async resolveWait(condition: LockWaitCondition, signal?: AbortSignal): Promise<WaitResult> {
    const key = LOCK_RESULT[condition.op]
    if (condition.op === 'close') {
      await this.#close(condition.ino, condition.handle)
      return { key }
    }
    const { ino, owner } = condition
    if (condition.op === 'get') {
      return { key, value: await this.#service.get(ino, owner, condition.lock, { signal }) }
    }
    const kind = condition.op === 'set' ? condition.lock.kind : condition.of
    // Closed by a process that has no locks, while another one has.
    if (condition.op === 'release' && !this.#holders.has(keyOf(ino, owner, kind))) return { key }
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
    return { key }
  }

  /**
   * What a process holds went when it closed its descriptor. What is left was asked for through the
   * open file that is gone, by itself.
   */
  async #close(ino: number, handle: string): Promise<void> {
    for (const { kind, owner, ...holder } of [...this.#holders.values()]) {
      if (kind !== 'posix' || holder.ino !== ino || holder.handle !== handle) continue
      await this.resolveWait({ kind: 'lock', op: 'release', ino, owner, of: kind })
    }
  }

  /** All that this node holds: what it claims when the service was away. */
  held(): HeldLock[] {
    return [...this.#holders.values()].flatMap(heldBy)
  }

  /** What was claimed and belongs to others by now. */
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
    // Another type on the same open file: the old one is given up first, whatever comes.
    if (lock.kind === 'flock' && !ranges.covers(owner, lock)) ranges.remove(owner)
    await this.#setSoon(holder, condition, signal)
    if (signal?.aborted) {
      await this.#undo(holder, lock)
      throw abortError(signal, 'waiting for a lock')
    }
    ranges.set(owner, lock)
  }

  /**
   * Who does not wait is refused only if it is not just the end of another open file that has not
   * come to us yet: the kernel tells of that after close(2) has returned.
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

  /** Another open file of this node has a lock of that kind that goes with its end. */
  #hasOther({ ino, kind, owner }: Holder): boolean {
    return [...this.#holders.values()].some(
      (other) => other.ino === ino && other.kind === kind && other.owner !== owner,
    )
  }

  /** Nobody waited any longer when the lock was granted: back to what was held before. */
  async #undo({ ino, owner, kind, ranges }: Holder, granted: FileLock): Promise<void> {
    for (const piece of ranges.pieces(owner, granted.start, granted.end)) {
      if (piece.type === granted.type) continue
      try {
        await this.#service.set(ino, owner, { kind, ...piece }, { wait: false })
      } catch (error) {
        // A reader came between and holds what was held for writing.
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

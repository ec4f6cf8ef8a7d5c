/**
 * The lock operations of one thread's volume. Decides nothing: every request is suspended and
 * resolved by the main thread (node-locks.ts), unless no lock can be affected.
 */
import type { CurrentRequest } from '../../base/current-request.ts'
import { NotStarted, type ResultOf } from '../../base/suspended.ts'
import type { FileLock, LockKind } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import { LockMarks } from './lock-marks.ts'
import { LOCK_RESULT, type LockWaitCondition } from './lock-service.ts'

/** Values of the results of each request. */
interface LockResults extends Record<LockWaitCondition['op'], unknown> {
  get: FileLock | undefined
  set: undefined
  release: undefined
  close: undefined
}

export class VolumeLocks {
  readonly #request: CurrentRequest
  readonly #marks: LockMarks | undefined

  /** `marks`: memory of the node's lock marks; undefined if the kernel keeps the file locks. */
  constructor(request: CurrentRequest, marks: SharedArrayBuffer | undefined) {
    this.#request = request
    this.#marks = marks && new LockMarks(marks)
  }

  /**
   * Whether locks are shared with other nodes; otherwise the kernel keeps them without requests.
   */
  get areShared(): boolean {
    return this.#marks !== undefined
  }

  get(ino: number, owner: string, lock: FileLock): FileLock | undefined {
    this.#requireShared()
    return this.#ask({ kind: 'lock', op: 'get', ino, owner, lock })
  }

  /** `handle`: the open file through which the lock is requested. */
  set(
    ino: number,
    owner: string,
    lock: FileLock,
    { wait, handle }: { wait: boolean; handle: string },
  ): void {
    this.#requireShared()
    this.#ask({ kind: 'lock', op: 'set', ino, owner, lock, wait, handle })
  }

  /** Releases the locks that an open file itself owns, after its last close. */
  releaseOpened(ino: number, handle: string): void {
    if (this.#marks?.mayHold(ino)) this.#ask({ kind: 'lock', op: 'close', ino, handle })
  }

  release(ino: number, owner: string, of: LockKind): void {
    // The kernel flags the release of an open file that may have a flock.
    const mayHold = of === 'flock' ? this.#marks : this.#marks?.mayHold(ino)
    if (!mayHold) return
    this.#ask({ kind: 'lock', op: 'release', ino, owner, of })
  }

  #requireShared(): void {
    if (!this.#marks) throw new FsError('ENOSYS', 'the kernel keeps the locks of this file system')
  }

  #ask<Op extends keyof LockResults>(condition: LockWaitCondition & { op: Op }): LockResults[Op] {
    const kind: ResultOf<LockResults[Op]> = LOCK_RESULT[condition.op]
    const result = this.#request.take(kind, condition.ino)
    if (result === undefined) throw new NotStarted(condition)
    return result.value
  }
}

/**
 * The lock operations of one thread's volume. Decides nothing: every request is suspended and
 * resolved by the main thread (node-locks.ts), unless no lock can be affected.
 */
import { Suspended, takeResult } from '../../base/suspended.ts'
import type { FileLock, LockKind } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import { LockMarks } from './lock-marks.ts'
import { LOCK_RESULT, type LockWaitCondition } from './lock-service.ts'

export class VolumeLocks {
  readonly #marks: LockMarks | undefined

  /** `marks`: memory of the node's lock marks; undefined if the kernel keeps the file locks. */
  constructor(marks: SharedArrayBuffer | undefined) {
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
    return ask({ kind: 'lock', op: 'get', ino, owner, lock }) as FileLock | undefined
  }

  /** `handle`: the open file through which the lock is requested. */
  set(
    ino: number,
    owner: string,
    lock: FileLock,
    { wait, handle }: { wait: boolean; handle: string },
  ): void {
    this.#requireShared()
    ask({ kind: 'lock', op: 'set', ino, owner, lock, wait, handle })
  }

  /** Releases the locks that an open file itself owns, after its last close. */
  releaseOpened(ino: number, handle: string): void {
    if (this.#marks?.mayHold(ino)) ask({ kind: 'lock', op: 'close', ino, handle })
  }

  release(ino: number, owner: string, of: LockKind): void {
    // The kernel flags the release of an open file that may have a flock.
    const mayHold = of === 'flock' ? this.#marks : this.#marks?.mayHold(ino)
    if (!mayHold) return
    ask({ kind: 'lock', op: 'release', ino, owner, of })
  }

  #requireShared(): void {
    if (!this.#marks) throw new FsError('ENOSYS', 'the kernel keeps the locks of this file system')
  }
}

function ask(condition: LockWaitCondition): unknown {
  const outcome = takeResult(LOCK_RESULT[condition.op])
  if (outcome === undefined) throw new Suspended(condition)
  return outcome.value
}

/**
 * The lock operations of one thread's volume: nothing is decided here, all that locks ask for is
 * asked of the main thread (node-locks.ts), except where nothing is held.
 */
import { Suspended, takeResult } from '../../base/suspended.ts'
import type { FileLock, LockKind } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import { LockMarks } from './lock-marks.ts'
import { LOCK_RESULT, type LockWaitCondition } from './lock-service.ts'

export class VolumeLocks {
  readonly #marks: LockMarks | undefined

  /** `marks`: the memory of the node's; absent where the kernel keeps file locks. */
  constructor(marks: SharedArrayBuffer | undefined) {
    this.#marks = marks && new LockMarks(marks)
  }

  /** With other nodes; the kernel's own go without a word. */
  get areShared(): boolean {
    return this.#marks !== undefined
  }

  get(ino: number, owner: string, lock: FileLock): FileLock | undefined {
    this.#requireShared()
    return ask({ kind: 'lock', op: 'get', ino, owner, lock }) as FileLock | undefined
  }

  /** `handle`: of the open file that it is asked through. */
  set(
    ino: number,
    owner: string,
    lock: FileLock,
    { wait, handle }: { wait: boolean; handle: string },
  ): void {
    this.#requireShared()
    ask({ kind: 'lock', op: 'set', ino, owner, lock, wait, handle })
  }

  /** An open file is gone, and what it owns by itself. */
  releaseOpened(ino: number, handle: string): void {
    if (this.#marks?.mayHold(ino)) ask({ kind: 'lock', op: 'close', ino, handle })
  }

  release(ino: number, owner: string, of: LockKind): void {
    // The kernel says itself where a flock was taken.
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

/**
 * A tree in memory whose file locks are in an external table, like those of a volume; and its
 * mount, with a lock table that other mounts may share.
 */
import type { TestContext } from 'node:test'
import type { FileLock, LockKind } from '../../src/base/file-lock.ts'
import type { FileLocks } from '../../src/coordinator/locks/file-locks.ts'
import type { Caller } from '../../src/filesystem/inode-file-system.ts'
import type { LockWaitCondition } from '../../src/volume/locks/lock-service.ts'
import { CurrentRequest } from '../../src/base/current-request.ts'
import type { WaitResult } from '../../src/base/suspended.ts'
import { NodeLocks } from '../../src/volume/locks/node-locks.ts'
import { VolumeLocks } from '../../src/volume/locks/volume-locks.ts'
import { lockSession } from '../fixtures/lock-session.ts'
import { MemoryTree } from './fuse-memory-tree.ts'
import { mountMemoryTree } from './fuse-scratch.ts'

class LockTree extends MemoryTree {
  readonly #request = new CurrentRequest()
  readonly #locks: VolumeLocks

  constructor(marks: SharedArrayBuffer) {
    super()
    this.#locks = new VolumeLocks(this.#request, marks)
  }

  serving(
    unique: number,
    isResent: boolean,
    _thread: number,
    results?: readonly WaitResult[],
  ): void {
    this.#request.begin(unique, isResent, results)
  }

  getLock(_: Caller, ino: number, owner: string, lock: FileLock): FileLock | undefined {
    return this.#locks.get(ino, owner, lock)
  }

  setLock(
    _: Caller,
    ino: number,
    owner: string,
    lock: FileLock,
    how: { wait: boolean; handle: string },
  ): void {
    this.#locks.set(ino, owner, lock, how)
  }

  releaseLocks(_: Caller, ino: number, owner: string, kind: LockKind): void {
    this.#locks.release(ino, owner, kind)
  }
}

export async function mountLockTree(t: TestContext, table: FileLocks, session: string) {
  const failures: unknown[] = []
  const locks = new NodeLocks(lockSession(table, session), {
    onFailure: (error) => failures.push(error),
  })
  const server = await mountMemoryTree(t, {
    remoteLocks: true,
    fileSystem: new LockTree(locks.marks),
    worker: { module: new URL(import.meta.url), data: locks.marks, count: 1 },
    resolveWait: (condition, { signal }) =>
      locks.resolveWait(condition as LockWaitCondition, signal),
  })
  return { server, locks, failures }
}

export function openFileSystem(marks: unknown): LockTree {
  return new LockTree(marks as SharedArrayBuffer)
}

/**
 * The contract between a node and the service that keeps the file locks of all nodes. An instance
 * serves one node, so the calls do not name it. Every call settles in bounded time, except a `set`
 * that waits.
 */
import { ResultOf } from '../../base/suspended.ts'
import type { FileLock, HeldLock, LockKind } from '../../base/file-lock.ts'

export interface LockService {
  /** A lock that conflicts with this one; its pid is 0 if it belongs to another node. */
  get(
    ino: number,
    owner: string,
    lock: FileLock,
    how: { signal?: AbortSignal | undefined },
  ): Promise<FileLock | undefined>
  /**
   * Resolves when the lock is granted (`unlock`: released). Rejects if it is not: EAGAIN if it does
   * not `wait`, EDEADLK, ENOLCK, or the signal's reason soon after the abort. If a grant and the
   * abort cross, it may resolve; the node then releases the lock. Calls take effect in the order in
   * which they are made, and settle in that order.
   */
  set(
    ino: number,
    owner: string,
    lock: FileLock,
    how: { wait: boolean; signal?: AbortSignal | undefined },
  ): Promise<void>
  /** Sets the source of the locks of this node; called once, before any other call. */
  attach?(holder: LockHolder): void
  /** Releases all locks of one kind that the owner has on the inode. */
  release(ino: number, owner: string, kind: LockKind): Promise<void>
}

/** The locks of the processes of this node: node-locks.ts. */
export interface LockHolder {
  held(): HeldLock[]
  lose(locks: readonly HeldLock[]): void
}

/** Requests to the lock service: plain data. */
export type LockRequest =
  | { kind: 'lock'; op: 'get'; ino: number; owner: string; lock: FileLock }
  | {
      kind: 'lock'
      op: 'set'
      ino: number
      owner: string
      lock: FileLock
      wait: boolean
      /** The open file through which the lock is requested; used by the node only. */
      handle?: string
    }
  | { kind: 'lock'; op: 'release'; ino: number; owner: string; of: LockKind }

/** What an operation on locks waits for (base/suspended.ts): plain data. */
export type LockWaitCondition =
  LockRequest | { kind: 'lock'; op: 'close'; ino: number; handle: string }

/** Results for the operation that runs again, by inode: it requests each at most once. */
export const LOCK_RESULT = {
  get: new ResultOf<FileLock | undefined>('lock:get'),
  set: new ResultOf('lock:set'),
  release: new ResultOf('lock:release'),
  close: new ResultOf('lock:close'),
} as const

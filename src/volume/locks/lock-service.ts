/**
 * The contract between a node and who keeps the file locks of all nodes. Which node asks is known
 * to the service. Every call settles in bounded time, but for a `set` that waits.
 */
import type { FileLock, HeldLock, LockKind } from '../../base/file-lock.ts'

export interface LockService {
  /** A lock that stands in the way of this one; pid 0 where its holder is on another node. */
  get(
    ino: number,
    owner: string,
    lock: FileLock,
    how: { signal?: AbortSignal | undefined },
  ): Promise<FileLock | undefined>
  /**
   * Resolves once the lock is held (or, as `unlock`, given back). A rejection means that it is not:
   * EAGAIN where it does not `wait`, EDEADLK, ENOLCK, or the signal's reason soon after it was
   * aborted. Where a grant and the abort cross, it may resolve: the node gives the lock back then.
   * Calls take effect in the order in which they are made, and settle in that order.
   */
  set(
    ino: number,
    owner: string,
    lock: FileLock,
    how: { wait: boolean; signal?: AbortSignal | undefined },
  ): Promise<void>
  /** Who knows what this node holds; told once, before anything is asked for. */
  attach?(holder: LockHolder): void
  /** All that the owner holds of that kind on the inode is given back. */
  release(ino: number, owner: string, kind: LockKind): Promise<void>
}

/** Locks that processes of this node hold: node-locks.ts. */
export interface LockHolder {
  held(): HeldLock[]
  lose(locks: readonly HeldLock[]): void
}

/** What is asked of who keeps the locks: plain data. */
export type LockRequest =
  | { kind: 'lock'; op: 'get'; ino: number; owner: string; lock: FileLock }
  | {
      kind: 'lock'
      op: 'set'
      ino: number
      owner: string
      lock: FileLock
      wait: boolean
      /** Of the open file that it is asked through; the node's own affair. */
      handle?: string
    }
  | { kind: 'lock'; op: 'release'; ino: number; owner: string; of: LockKind }

/** What an operation on locks waits for (see base/suspended.ts): plain data. */
export type LockWaitCondition =
  LockRequest | { kind: 'lock'; op: 'close'; ino: number; handle: string }

/** Names the outcome of each for the operation that is run again: it asks for each but once. */
export const LOCK_RESULT = {
  get: 'lock:get',
  set: 'lock:set',
  release: 'lock:release',
  close: 'lock:close',
} as const

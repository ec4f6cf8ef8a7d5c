/**
 * The lock service for one node, over its link to the coordinator. A wait for a lock has no bound;
 * an interrupted one is cancelled, and settles when the coordinator has confirmed that.
 */
import { checkLock } from '../link/result-schema.ts'
import type { FileLock, LockKind } from '../../base/file-lock.ts'
import type { LockHolder, LockRequest, LockService } from '../../volume/locks/lock-service.ts'

export interface LockChannel {
  lockHolder: LockHolder | undefined
  /** `isEndless`: the answer may take any time; an abort cancels the request. */
  askLock(
    condition: LockRequest,
    signal: AbortSignal | undefined,
    isEndless: boolean,
  ): Promise<unknown>
}

export class LinkLocks implements LockService {
  readonly #channel: LockChannel

  constructor(channel: LockChannel) {
    this.#channel = channel
  }

  attach(holder: LockHolder): void {
    this.#channel.lockHolder = holder
  }

  async get(
    ino: number,
    owner: string,
    lock: FileLock,
    { signal }: { signal?: AbortSignal | undefined },
  ): Promise<FileLock | undefined> {
    const condition: LockRequest = { kind: 'lock', op: 'get', ino, owner, lock }
    return checkLock(await this.#channel.askLock(condition, signal, false))
  }

  async set(
    ino: number,
    owner: string,
    lock: FileLock,
    { wait, signal }: { wait: boolean; signal?: AbortSignal | undefined },
  ): Promise<void> {
    const condition: LockRequest = { kind: 'lock', op: 'set', ino, owner, lock, wait }
    await this.#channel.askLock(condition, signal, wait)
  }

  async release(ino: number, owner: string, of: LockKind): Promise<void> {
    const condition: LockRequest = { kind: 'lock', op: 'release', ino, owner, of }
    await this.#channel.askLock(condition, undefined, false)
  }
}

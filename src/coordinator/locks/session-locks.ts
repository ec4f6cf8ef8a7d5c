/**
 * File locks on behalf of nodes: runs each lock request of a session on the lock table, cancels
 * waits, and restores the locks of a session that reconnects.
 */
import type { HeldLock } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import { FileLocks } from './file-locks.ts'
import type { NodeMessage } from '../link/link-protocol.ts'
import type { Session } from '../session.ts'

type LockMessage = NodeMessage & { kind: 'lock' }

export class SessionLocks {
  readonly #table = new FileLocks()
  /** Waits that can be cancelled, by session and number of the request. */
  readonly #waits = new Map<string, AbortController>()

  async run({ token }: Session, { id, condition }: LockMessage): Promise<unknown> {
    const { ino, owner } = condition
    if (condition.op === 'get') return this.#table.get(token, ino, owner, condition.lock)
    if (condition.op === 'release') {
      this.#table.release(token, ino, owner, condition.of)
      return undefined
    }
    const key = `${token} ${id}`
    const abort = new AbortController()
    this.#waits.set(key, abort)
    try {
      const { wait } = condition
      await this.#table.set(token, ino, owner, condition.lock, { wait, signal: abort.signal })
    } finally {
      this.#waits.delete(key)
    }
    return undefined
  }

  cancel({ token }: Session, id: number): void {
    const why = new FsError('EINTR', 'waiting for a lock was interrupted')
    this.#waits.get(`${token} ${id}`)?.abort(why)
  }

  /** Restores the locks that the session claims; returns those that others have by now. */
  restore({ token }: Session, locks: readonly HeldLock[]): HeldLock[] {
    return this.#table.restore(token, locks)
  }

  drop({ token }: Session): void {
    this.#table.dropSession(token)
  }
}

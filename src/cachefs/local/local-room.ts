/**
 * Runs work that needs space on the local side, and frees space if the disk is full: evicts what
 * can be fetched again, removes untracked files, then waits for files that can be evicted once they
 * are sent. If that does not help in time, the caller gets ENOSPC.
 *
 * Invariants: the caller holds no locks. A file that is open, or that the remote does not have, is
 * never removed. The wait is bounded.
 */
import { throwIfAborted } from '../../base/async/abort.ts'
import { codeOf } from '../../base/fs-error.ts'
import { childOf } from '../../filesystem/file-path.ts'
import type { CallOptions, FileSystem } from '../../filesystem/file-system.ts'
import { cachefsLimits } from '../limits.ts'
import type { CacheLocks } from '../cache-locks.ts'
import type { Change } from '../journal/change.ts'
import type { EntryTree } from '../entry-tree.ts'
import type { LocalCopies } from './local-copies.ts'
import { RESERVED } from '../remote/remote-view.ts'
import type { WriteQueue } from '../remote/write-queue.ts'

export interface LocalRoomParts {
  local: FileSystem
  tree: EntryTree
  locks: CacheLocks
  copies: LocalCopies
  queue: WriteQueue
}

export class LocalRoom {
  readonly #parts: LocalRoomParts
  #sweep: Promise<number> | undefined

  constructor(parts: LocalRoomParts) {
    this.#parts = parts
  }

  /** `work` needs about `bytes` bytes and can be run again after an ENOSPC. */
  async run<T>(bytes: number, work: () => Promise<T>, { signal }: CallOptions = {}): Promise<T> {
    const untilMs = performance.now() + cachefsLimits.cacheRoomMs
    for (;;) {
      try {
        return await work()
      } catch (error) {
        const leftMs = untilMs - performance.now()
        const isLost = codeOf(error) !== 'ENOSPC' || leftMs <= 0
        if (isLost || !(await this.#make(bytes, leftMs, signal))) throw error
      }
    }
  }

  async #make(bytes: number, leftMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (await this.#parts.copies.makeRoom(bytes)) return true
    if (this.#sweep === undefined) {
      this.#sweep = this.#removeUnknown('/')
      if ((await this.#sweep) > 0) return true
    }
    const timeout = AbortSignal.timeout(Math.ceil(leftMs))
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    return await this.#parts.queue.next(leavesRoom, { signal: either }).catch(() => {
      throwIfAborted(signal)
      return false
    })
  }

  /** Once per process: after a crash, the journal may lack files that were being fetched. */
  async #removeUnknown(directory: string): Promise<number> {
    const { local, tree, locks } = this.#parts
    let count = 0
    for (const { name, kind } of await Array.fromAsync(local.list(directory))) {
      const path = childOf(directory, name)
      if (kind === 'directory' && path !== `/${RESERVED}`) count += await this.#removeUnknown(path)
      if (kind !== 'file') continue
      using _names = await locks.shareNames()
      using _path = await locks.localPath(path)
      if (tree.find(path)?.copy !== undefined) continue
      await local.rm(path, { force: true })
      count++
    }
    return count
  }
}

/** Once this change is sent, its file can be evicted. */
function leavesRoom({ kind, entry }: Change): boolean {
  return kind === 'write' && entry.copy?.users === 0
}

/**
 * Commits that nobody waits for, many in one transaction. Who closes a small file on a node of its
 * own is answered at once: the bytes are in the backing file, the table of open inodes says which
 * (cache/state/open-table.ts), and both survive the process. What is left, the journal and the
 * metadata, is done here a moment later for all that were closed meanwhile; and so is what is left
 * of files that were removed. Main thread.
 *
 * Locks: those of a group are held together as far as they are free; an inode that is busy is
 * committed by itself, after the group. So nobody is waited for who may wait for one of the group.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { cacheLimits } from '../limits.ts'
import { CommitSteps, type PlannedCommit } from './commit-steps.ts'
import type { FileCommitter } from './file-committer.ts'
import { deleteFiles } from './deleted-files.ts'
import { measure } from '../passthrough/passthrough-writes.ts'
import type { NodeCache } from '../state/node-cache.ts'

export class GroupCommit {
  readonly #cache: NodeCache
  readonly #committer: FileCommitter
  readonly #steps: CommitSteps
  readonly #failures: RepeatedLog
  readonly #stop = new AbortController()
  /** Those that failed. */
  readonly #left = new Set<number>()
  #running: Promise<void> | undefined

  constructor(cache: NodeCache, committer: FileCommitter, logger: Logger) {
    this.#cache = cache
    this.#committer = committer
    this.#steps = new CommitSteps(cache)
    this.#failures = new RepeatedLog(logger)
  }

  start(): void {
    this.#running = this.#run()
  }

  /** What is left then, because it failed, is `dirty` still. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#cache.shared.closed.wake()
    await this.#running
    this.expedite()
  }

  async #run(): Promise<void> {
    const { closed } = this.#cache.shared
    const { signal } = this.#stop
    while (!this.#isStopping()) {
      await closed.filled(cacheLimits.housekeepingMs)
      // A group forms meanwhile.
      await delay(cacheLimits.groupCommitMs, undefined, { signal }).catch(() => undefined)
      for (let group = this.#next(); group.length > 0;) {
        this.#commit(group)
        // Others have their turn.
        await new Promise(setImmediate)
        group = this.#isStopping() ? [] : closed.take(cacheLimits.groupCommitFiles)
      }
    }
  }

  #isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  /** All that waits, now: somebody needs the room. */
  expedite(): void {
    const { closed } = this.#cache.shared
    for (let group = this.#next(); group.length > 0;) {
      this.#commit(group)
      group = closed.take(cacheLimits.groupCommitFiles)
    }
  }

  #next(): number[] {
    const left = [...this.#left].slice(0, cacheLimits.groupCommitFiles)
    for (const ino of left) this.#left.delete(ino)
    return left.length > 0 ? left : this.#cache.shared.closed.take(cacheLimits.groupCommitFiles)
  }

  /** Never throws. Inodes that are neither dirty nor gone were taken care of meanwhile. */
  #commit(inodes: readonly number[]): void {
    const undone = new Set(inodes)
    try {
      this.#cache.shared.withInodes(new Set(inodes), (locked) => {
        this.#commitLocked([...locked])
        for (const ino of locked) undone.delete(ino)
      })
    } catch {
      // Of one that fails the others must not suffer, and it is to be told by itself.
      for (const ino of undone) this.#commitAlone(ino)
    }
  }

  #commitLocked(inodes: readonly number[]): void {
    const { database, index, shared } = this.#cache
    const planned = inodes.flatMap((ino) => this.#plan(ino))
    const isGone = (ino: number): boolean => !shared.findOpen(ino) && index.isOrphan(ino)
    this.#purge(inodes.filter(isGone))
    if (planned.length === 0) return
    database.transaction(() => {
      for (const commit of planned) this.#steps.journal(commit)
    })
    const prepared = planned.map((commit) => ({ ...commit, ...this.#steps.take(commit) }))
    try {
      index.commitAll(prepared)
    } catch (error) {
      for (const commit of prepared) this.#steps.undo(commit.ino, commit.open, commit)
      throw error
    }
    for (const commit of prepared) {
      const { ino, open } = commit
      this.#steps.finish(ino, open, commit)
      if (open.opens === 0) shared.removeOpen(ino)
    }
  }

  /** The metadata first: what a crash leaves of the bytes, recovery looks for. */
  #purge(inodes: readonly number[]): void {
    this.#cache.index.purgeAll(inodes)
    deleteFiles(this.#cache, inodes)
  }

  #plan(ino: number): PlannedCommit[] {
    const open = this.#cache.shared.findOpen(ino)
    if (open === undefined) return []
    open.queued = false
    measure(this.#cache, ino, open)
    return open.dirty && !open.unlinked ? [this.#steps.plan(ino, open)] : []
  }

  #commitAlone(ino: number): void {
    const { shared, index } = this.#cache
    try {
      this.#committer.commit(ino)
      shared.withInode(ino, () => {
        if (!shared.findOpen(ino) && index.isOrphan(ino)) this.#purge([ino])
      })
    } catch (error) {
      this.#failures.error(
        'commit',
        `inode ${ino} is not committed, tried again: ${describe(error)}`,
      )
      this.#left.add(ino)
    }
  }
}

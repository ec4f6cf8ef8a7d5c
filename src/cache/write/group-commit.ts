/**
 * Commits many files in one transaction when nobody waits for them. On a single-node volume the
 * close of a small file returns at once: its bytes are in the backing file and its state is in the
 * table of open inodes (cache/state/open-table.ts), and both survive the process. This module makes
 * the journal and metadata transactions a moment later, for all files closed in the meantime. It
 * also deletes the data of removed files. Main thread.
 *
 * Locks: all free locks of a group are held together. An inode whose lock is busy is committed
 * alone, after the group, so that this thread never waits for a thread that waits for a lock of the
 * group.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { cacheLimits } from '../limits.ts'
import type { CommitSteps, PlannedCommit } from './commit-steps.ts'
import type { FileCommitter } from './file-committer.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { PassthroughWrites } from '../passthrough/passthrough-writes.ts'
import type { DeletedFiles } from './deleted-files.ts'

export interface GroupCommitParts {
  commits: CommitSteps
  shared: SharedState
  database: Transactions
  index: ChunkIndex
  passthroughWrites: PassthroughWrites
  deletions: DeletedFiles
}

export class GroupCommit {
  readonly #parts: GroupCommitParts
  readonly #committer: FileCommitter
  readonly #failures: RepeatedLog
  readonly #stop = new AbortController()
  /** Inodes whose commit failed. */
  readonly #left = new Set<number>()
  #running: Promise<void> | undefined

  constructor(parts: GroupCommitParts, committer: FileCommitter, logger: Logger) {
    this.#parts = parts
    this.#committer = committer
    this.#failures = new RepeatedLog(logger)
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Files whose commit fails stay `dirty`. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#parts.shared.closed.wake()
    await this.#running
    this.expedite()
  }

  async #run(): Promise<void> {
    const { closed } = this.#parts.shared
    const { signal } = this.#stop
    while (!this.#isStopping()) {
      await closed.filled(cacheLimits.housekeepingMs)
      // Collects a group.
      await delay(cacheLimits.groupCommitMs, undefined, { signal }).catch(() => undefined)
      for (let group = this.#next(); group.length > 0;) {
        this.#commit(group)
        // Lets other events of the main thread run.
        await new Promise(setImmediate)
        group = this.#isStopping() ? [] : closed.take(cacheLimits.groupCommitFiles)
      }
    }
  }

  #isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  /** Commits the whole queue now, because space is needed. */
  expedite(): void {
    const { closed } = this.#parts.shared
    for (let group = this.#next(); group.length > 0;) {
      this.#commit(group)
      group = closed.take(cacheLimits.groupCommitFiles)
    }
  }

  #next(): number[] {
    const left = [...this.#left].slice(0, cacheLimits.groupCommitFiles)
    for (const ino of left) this.#left.delete(ino)
    return left.length > 0 ? left : this.#parts.shared.closed.take(cacheLimits.groupCommitFiles)
  }

  /** Never throws. Inodes that are neither dirty nor deleted were committed in the meantime. */
  #commit(inodes: readonly number[]): void {
    const undone = new Set(inodes)
    try {
      this.#parts.shared.withInodes(new Set(inodes), (locked) => {
        this.#commitLocked([...locked])
        for (const ino of locked) undone.delete(ino)
      })
    } catch {
      // One failing inode must not affect the others, and its failure is logged separately.
      for (const ino of undone) this.#commitAlone(ino)
    }
  }

  #commitLocked(inodes: readonly number[]): void {
    const { database, index, shared } = this.#parts
    const planned = inodes.flatMap((ino) => this.#plan(ino))
    const isGone = (ino: number): boolean => !shared.findOpen(ino) && index.isOrphan(ino)
    this.#purge(inodes.filter(isGone))
    if (planned.length === 0) return
    database.transaction(() => {
      for (const commit of planned) this.#parts.commits.journal(commit)
    })
    const prepared = planned.map((commit) => ({ ...commit, ...this.#parts.commits.take(commit) }))
    try {
      index.commitAll(prepared)
    } catch (error) {
      for (const commit of prepared) this.#parts.commits.undo(commit.ino, commit.open, commit)
      throw error
    }
    for (const commit of prepared) {
      const { ino, open } = commit
      this.#parts.commits.finish(ino, open, commit)
      if (open.opens === 0) shared.removeOpen(ino)
    }
  }

  /** The metadata first: recovery finds bytes that a crash leaves behind. */
  #purge(inodes: readonly number[]): void {
    this.#parts.index.purgeAll(inodes)
    this.#parts.deletions.delete(inodes)
  }

  #plan(ino: number): PlannedCommit[] {
    const open = this.#parts.shared.findOpen(ino)
    if (open === undefined) return []
    open.queued = false
    this.#parts.passthroughWrites.measure(ino, open)
    return open.dirty && !open.unlinked ? [this.#parts.commits.plan(ino, open)] : []
  }

  #commitAlone(ino: number): void {
    const { shared, index } = this.#parts
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

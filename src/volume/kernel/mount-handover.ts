/**
 * State that a process leaves on the node's disk for its successor on the same mount: answers to
 * requests, the table of open inodes, and locks. Programs keep their open files, their locks, and
 * the calls that were not answered.
 */
import type { HeldLock } from '../../base/file-lock.ts'
import { KernelBackings } from '../../cache/passthrough/kernel-backings.ts'
import { OpenTable, type WrittenInode } from '../../cache/state/open-table.ts'
import {
  allocateSharedBuffers,
  SharedState,
  type SharedBuffers,
} from '../../cache/state/shared-state.ts'
import {
  ANSWERED_SCHEMA,
  forgetAnswers,
  keepAnswers,
} from '../../metadata/duplicate-request-rules.ts'
import { findInode } from '../../metadata/inode-rules.ts'
import {
  LOCK_JOURNAL_SCHEMA,
  forgetLocks,
  noteLocks,
  notedLocks,
} from '../../metadata/lock-journal.ts'
import type { SqliteEngine } from '../../metadata/sqlite/sqlite-engine.ts'
import { BackingFiles } from '../../tiers/nvme/backing-files.ts'

export const HANDOVER_SCHEMA = [ANSWERED_SCHEMA, LOCK_JOURNAL_SCHEMA] as const

export interface MountIdentity {
  /** Descriptor of the FUSE connection. */
  connection: number
  /** Identifies the mount among all mounts of all nodes. */
  id: string
  /** An earlier process has served this mount. */
  isResumed: boolean
}

export class MountHandover {
  readonly buffers: SharedBuffers
  readonly shared: SharedState
  readonly #table: OpenTable | undefined
  readonly #directory: string
  readonly #isResumed: boolean
  readonly #connection: number | undefined

  /** `mount`: undefined if the mount ends with this process. */
  constructor(directory: string, mount: MountIdentity | undefined) {
    this.#directory = directory
    this.#isResumed = mount?.isResumed === true
    this.#connection = mount?.connection
    this.#table = mount && new OpenTable(directory)
    this.buffers = allocateSharedBuffers(this.#table?.path)
    this.shared = new SharedState(this.buffers)
  }

  /** Reopens the open files; call before this node reports anything to other nodes. */
  takeOver(engine: SqliteEngine): { orphans: number[]; locks: HeldLock[] } {
    engine.transact(this.#isResumed ? keepAnswers() : forgetAnswers())
    if (!this.#isResumed) engine.transact(forgetLocks())
    const files = new BackingFiles(this.#directory, { generationOf: () => 0, epoch: () => 0 })
    const backings = new KernelBackings(this.#connection)
    if (!this.#isResumed) return { orphans: [], locks: [] }
    const orphans = this.#table?.restore(this.shared, {
      isOrphan: (ino) => {
        const row = engine.read(findInode(ino))
        return row && row.nlink === 0
      },
      sizeOf: (ino) => files.stat(ino)?.size ?? 0,
      closeBacking: (id) => backings.close(id),
    })
    return { orphans: orphans ?? [], locks: engine.read(notedLocks()) }
  }

  /** What the previous process had written and not committed. */
  written(): Map<number, WrittenInode> {
    return this.#table?.written() ?? new Map<number, WrittenInode>()
  }

  /** Call when everything of the previous process has been taken over. */
  settled(): void {
    this.#table?.settled()
  }

  /** Records the locks of a lock owner for the next process; undefined if there will be none. */
  lockNotes(
    engine: SqliteEngine,
  ): ((holder: string, locks: readonly HeldLock[]) => void) | undefined {
    if (!this.#table) return undefined
    return (holder, locks) => {
      engine.transact(noteLocks(holder, locks))
    }
  }
}

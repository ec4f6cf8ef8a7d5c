/**
 * Operations that create, rename and remove names, and the lifetime of inodes that follows from
 * them. They combine the metadata rules with the bytes on this node, under the lock of the inode.
 */
import { Suspended } from '../base/suspended.ts'
import { now } from '../base/clock.ts'
import type { CurrentRequest } from '../base/current-request.ts'
import { FsError, codeOf } from '../base/fs-error.ts'
import { O_ACCMODE, O_EXCL, O_TRUNC, O_WRONLY } from '../base/open-bits.ts'
import type { FileCommitter, Leaving } from '../cache/write/file-committer.ts'
import type { SharedState } from '../cache/state/shared-state.ts'
import type { Caller } from '../filesystem/inode-file-system.ts'
import { volumeLimits } from './limits.ts'
import { S_IFMT, S_IFREG, type InodeRow } from '../metadata/inode-rules.ts'
import type { MetadataEngine } from '../metadata/metadata-engine.ts'
import {
  ANY_INODE,
  lookup,
  type Place,
  type Removed,
  type RenameOutcome,
} from '../metadata/namespace-rules.ts'
import type { Rule } from '../metadata/statement.ts'
import type { NumberSource } from './number-source.ts'

const RENAME_NOREPLACE = 1
const RENAME_EXCHANGE = 2

export interface NamesParts {
  request: CurrentRequest
  /** Whether the kernel has the inode in memory; called on the main thread only. */
  kernelKnows: (ino: number) => boolean
  engine: MetadataEngine
  shared: SharedState
  numbers: NumberSource
  committer: FileCommitter
}

export class Names {
  readonly #parts: NamesParts

  constructor(parts: NamesParts) {
    this.#parts = parts
  }

  create(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    rdev: number,
    target: Uint8Array | null,
  ): InodeRow {
    const { numbers } = this.#parts
    const ino = numbers.next('inode')
    const seq = numbers.next('entry')
    const wanted = { ino, seq, mode, uid: caller.uid, gid: caller.gid, rdev, target }
    const row = this.#parts.engine.write('create', parent, name, wanted, now())
    return row
  }

  /**
   * For open(2) with O_CREAT: creates a file, or calls `open` for one that was created
   * concurrently. If only the kernel can check the permission to open that one: ESTALE. The kernel
   * then looks the name up again, but only once, and it may have done so already for a file that is
   * gone.
   */
  createFile<T>(
    caller: Caller,
    { parent, name }: Place,
    mode: number,
    flags: number,
    open: (ino: number) => T,
  ): { made: InodeRow } | { found: T } {
    for (let attempt = 0; attempt < volumeLimits.createAttempts; attempt++) {
      try {
        return { made: this.create(caller, parent, name, S_IFREG | (mode & ~S_IFMT), 0, null) }
      } catch (error) {
        if (codeOf(error) !== 'EEXIST' || (flags & O_EXCL) !== 0) throw error
      }
      const row = this.#find({ parent, name })
      if (row === undefined) continue
      if (!mayOwnerOpen(row, caller.uid, flags)) break
      try {
        return { found: open(row.ino) }
      } catch (error) {
        // Removed again.
        if (codeOf(error) !== 'ESTALE') throw error
      }
    }
    throw new FsError('ESTALE', 'the file was made elsewhere meanwhile')
  }

  /** Adds one use of an inode by this process; `release` ends it. */
  use(ino: number): void {
    this.#parts.committer.open(ino, { by: 'here' })
  }

  /** Creates and opens a regular file without a name, to be filled and then named by `publish`. */
  createOrphan(caller: Caller, parent: number, mode: number): number {
    const { numbers, committer } = this.#parts
    const { uid, gid } = caller
    const wanted = {
      ino: numbers.next('inode'),
      seq: 0,
      mode: S_IFREG | mode,
      uid,
      gid,
      rdev: 0,
      target: null,
    }
    const { ino } = this.#parts.engine.write('createOrphan', parent, wanted, now())
    committer.open(ino, { by: 'here', orphans: true })
    return ino
  }

  remove(parent: number, name: Uint8Array, operation: 'unlink' | 'rmdir'): void {
    const { engine } = this.#parts
    if (engine.hasAnswered()) return
    if (engine.isReplica) {
      engine.write(operation, parent, name, ANY_INODE, now())
      return
    }
    for (;;) {
      const { ino } = this.#read(lookup(parent, name))
      const done = this.#losing(ino, () => {
        const removed = this.#parts.engine.write(operation, parent, name, ino, now())
        return removed && [removed, removed]
      })
      if (done) return
    }
  }

  /** As renameat2(2). */
  move(from: Place, to: Place, flags: number): void {
    if (flags === RENAME_EXCHANGE) this.#parts.engine.write('exchange', from, to, now())
    else if (flags === 0 || flags === RENAME_NOREPLACE) this.rename(from, to, flags !== 0)
    else throw new FsError('EINVAL', `rename flags ${flags} are unknown`)
  }

  rename(from: Place, to: Place, noReplace: boolean): void {
    const { engine } = this.#parts
    if (engine.hasAnswered()) return
    const seq = this.#parts.numbers.next('entry')
    if (engine.isReplica) {
      const options = { noReplace, expectedTarget: ANY_INODE, seq }
      engine.write('rename', from, to, options, now())
      return
    }
    for (;;) {
      const expectedTarget = this.#find(to)?.ino ?? 0
      const outcome = this.#losing(expectedTarget, () => {
        const options = { noReplace, expectedTarget, seq }
        const done: RenameOutcome = this.#parts.engine.write('rename', from, to, options, now())
        return done === 'changed' ? undefined : [done.removed, done]
      })
      if (outcome) return
    }
  }

  /**
   * Names an inode that has no name, replacing any file at that name; the inode stays open. It gets
   * all attributes of the file `replaced`; `mode` overrides the mode.
   */
  publish(
    ino: number,
    { parent, name }: Place,
    { replaced, mode }: { replaced: number | undefined; mode: number | undefined },
  ): void {
    if (replaced !== undefined) {
      this.#parts.engine.write('takeAttributes', ino, replaced, mode, now())
    }
    const temporary = Buffer.from(`.cachefs-${ino}`)
    const seq = this.#parts.numbers.next('entry')
    this.#parts.shared.withInode(ino, () => {
      const open = this.#parts.shared.findOpen(ino)
      if (open) this.#parts.committer.commitLocked(ino, open, true)
      this.#parts.engine.write('link', ino, parent, temporary, seq, now())
    })
    try {
      this.rename({ parent, name: temporary }, { parent, name }, false)
    } catch (error) {
      if (error instanceof Suspended) throw error
      this.remove(parent, temporary, 'unlink')
      throw error
    }
  }

  /** Drops an inode without a name that was not published: its last user removes it. */
  abandon(ino: number): void {
    const { shared } = this.#parts
    shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open) open.unlinked = true
    })
  }

  #find({ parent, name }: Place): InodeRow | undefined {
    try {
      return this.#read(lookup(parent, name))
    } catch (error) {
      if (error instanceof FsError && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  /**
   * Runs a change that removes a name of inode `ino` (0: of none), under its lock. If that was the
   * last name, the inode becomes an orphan, which exists while programs have it open or the kernel
   * has it in memory. A change that the kernel itself requested is followed by its FORGET.
   */
  #losing<T>(ino: number, change: () => [Removed | undefined, T] | undefined): T | undefined {
    if (ino === 0) return change()?.[1]
    const { committer, request, kernelKnows } = this.#parts
    const outcome = this.#parts.shared.withInode(ino, () => {
      const done = change()
      if (done === undefined) return undefined
      const [removed, result] = done
      if (removed?.nlink !== 0) return { result, isOver: false }
      // Keep it before asking the kernel, so that a concurrent FORGET is not missed.
      const isKept = committer.keepOrphan(ino)
      return { result, isOver: !isKept, asks: request.unique === 0 }
    })
    if (outcome?.isOver) this.#purge(ino)
    else if (outcome?.asks && !kernelKnows(ino)) this.forget(ino)
    return outcome?.result
  }

  /** The kernel has dropped an inode: purges it if it has no name and is not open. */
  forget(ino: number): void {
    const { committer } = this.#parts
    if (this.#parts.shared.mayBeOpen(ino) && committer.forget(ino)) this.#purge(ino)
  }

  /** Purges an inode without a name that nobody uses. */
  #purge(ino: number): void {
    const { committer, engine } = this.#parts
    this.#parts.shared.withInode(ino, () => {
      if (this.#parts.shared.findOpen(ino) || committer.purgeSoon(ino)) return
      engine.write('purgeInode', ino)
      committer.forgetLocked(ino)
    })
  }

  /** Ends one use of an inode; the last use of an inode without a name purges it. */
  release(ino: number, leaving: Leaving): void {
    // In a cluster it is purged when no node has it open; the coordinator decides that.
    if (this.#parts.committer.release(ino, leaving)) this.#purge(ino)
  }

  #read<T>(rule: Rule<T>): T {
    return this.#parts.engine.read(rule)
  }
}

/** Whether the owner bits of a regular file alone let this user open it with these flags. */
function mayOwnerOpen(row: InodeRow, uid: number, flags: number): boolean {
  if ((row.mode & S_IFMT) !== S_IFREG || row.uid !== uid) return false
  const [reads, writes] = [(flags & O_ACCMODE) !== O_WRONLY, (flags & (O_ACCMODE | O_TRUNC)) !== 0]
  const needed = (reads ? 0o400 : 0) | (writes ? 0o200 : 0)
  return (row.mode & needed) === needed
}

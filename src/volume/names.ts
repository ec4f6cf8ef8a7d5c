/**
 * Names that come and go, and the inodes that come and go with them: what the rules of the metadata
 * and the bytes of this node have to do together, under the inode's lock.
 */
import { Suspended } from '../base/suspended.ts'
import { now } from '../base/clock.ts'
import type { CurrentRequest } from '../base/current-request.ts'
import { FsError, codeOf } from '../base/fs-error.ts'
import { O_ACCMODE, O_EXCL, O_TRUNC, O_WRONLY } from '../base/open-bits.ts'
import type { FileCommitter, Leaving } from '../cache/write/file-committer.ts'
import type { NodeCache } from '../cache/state/node-cache.ts'
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
  /** Whether the kernel of the mount knows an inode; asked on the main thread only. */
  kernelKnows: (ino: number) => boolean
  engine: MetadataEngine
  cache: NodeCache
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
   * For open(2) with O_CREAT: a new file, or where somebody else was faster what `open` makes of
   * that one. Where only the kernel can say whether the caller may open it: ESTALE, at which the
   * kernel looks the name up again; but that it does once, and may have done for one that went.
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
        // Gone again.
        if (codeOf(error) !== 'ESTALE') throw error
      }
    }
    throw new FsError('ESTALE', 'the file was made elsewhere meanwhile')
  }

  /** One user more of an inode, in this process; it ends with `release`. */
  use(ino: number): void {
    this.#parts.committer.open(ino, { by: 'here' })
  }

  /** A regular file without a name, opened: fill it, then give it one with `publish`. */
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
   * Puts a nameless inode in the place of whatever file is at a name; it stays open. Of the file
   * `replaced` it has all attributes, but for a mode that was asked for.
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
    this.#parts.cache.shared.withInode(ino, () => {
      const open = this.#parts.cache.shared.findOpen(ino)
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

  /** A nameless inode that was not published: it goes with its last user. */
  abandon(ino: number): void {
    const { shared } = this.#parts.cache
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
   * Runs a change that takes a name from inode `ino` (0: from none) under its lock, and does what
   * follows when that was its last: it stays for those who have it open, and while the kernel knows
   * it, as it does what it removes itself.
   */
  #losing<T>(ino: number, change: () => [Removed | undefined, T] | undefined): T | undefined {
    if (ino === 0) return change()?.[1]
    const { cache, committer, request, kernelKnows } = this.#parts
    const outcome = cache.shared.withInode(ino, () => {
      const done = change()
      if (done === undefined) return undefined
      const [removed, result] = done
      if (removed?.nlink !== 0) return { result, isOver: false }
      // First, so that what the kernel forgets meanwhile is not missed.
      const isKept = committer.keepOrphan(ino)
      return { result, isOver: !isKept, asks: request.unique === 0 }
    })
    if (outcome?.isOver) this.#purge(ino)
    else if (outcome?.asks && !kernelKnows(ino)) this.forget(ino)
    return outcome?.result
  }

  /** The kernel has let go of an inode: one without a name goes, unless somebody has it open. */
  forget(ino: number): void {
    const { cache, committer } = this.#parts
    if (cache.shared.mayBeOpen(ino) && committer.forget(ino)) this.#purge(ino)
  }

  /** The end of an inode without a name that nobody uses. */
  #purge(ino: number): void {
    const { cache, committer, engine } = this.#parts
    cache.shared.withInode(ino, () => {
      if (cache.shared.findOpen(ino) || committer.purgeSoon(ino)) return
      engine.write('purgeInode', ino)
      committer.forgetLocked(ino)
    })
  }

  /** One user less of an inode; the last of one without a name takes it along. */
  release(ino: number, leaving: Leaving): void {
    // With several nodes it goes when none has it open: the coordinator asks.
    if (this.#parts.committer.release(ino, leaving)) this.#purge(ino)
  }

  #read<T>(rule: Rule<T>): T {
    return this.#parts.engine.read(rule)
  }
}

/** Whether the owner's bits of a regular file alone let this user open it so. */
function mayOwnerOpen(row: InodeRow, uid: number, flags: number): boolean {
  if ((row.mode & S_IFMT) !== S_IFREG || row.uid !== uid) return false
  const [reads, writes] = [(flags & O_ACCMODE) !== O_WRONLY, (flags & (O_ACCMODE | O_TRUNC)) !== 0]
  const needed = (reads ? 0o400 : 0) | (writes ? 0o200 : 0)
  return (row.mode & needed) === needed
}

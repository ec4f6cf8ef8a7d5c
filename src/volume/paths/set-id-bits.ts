/**
 * Clears the set-user-id and set-group-id bits, as ext4 does: on every change of content by a
 * process without CAP_FSETID, and on every change of owner or group. Set-group-id without group
 * execute is kept for members of the group. With most requests the kernel reports that the caller
 * lacks the capability; with FALLOCATE it does not.
 *
 * The kernel sends a SETATTR that changes nothing (`touch`) before it writes by itself to a file
 * with such bits, and for a chown(2) of neither owner nor group. In both cases the kernel has not
 * checked that the caller may change the file.
 */
import { now } from '../../base/clock.ts'
import { FsError } from '../../base/fs-error.ts'
import type { SharedState } from '../../cache/state/shared-state.ts'
import type { Caller } from '../../filesystem/inode-file-system.ts'
import { getInode, hasSetId, withoutSetId, type InodeRow } from '../../metadata/inode-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { isInGroup, mayActAsOwner, mayKeepSetId } from './caller-rights.ts'

interface SetIdBitsParts {
  engine: MetadataEngine
  shared: SharedState
}

export class SetIdBits {
  readonly #engine: MetadataEngine
  readonly #shared: SharedState

  constructor({ engine, shared }: SetIdBitsParts) {
    this.#engine = engine
    this.#shared = shared
  }

  /**
   * Call before a change of content by a caller without CAP_FSETID. A suspended operation runs it
   * again, which is harmless.
   */
  drop(caller: Caller, ino: number): void {
    const row = this.#find(ino)
    if (row) this.#drop(caller, row)
  }

  /** As `drop`, for requests without the kernel's report on the capability. */
  dropUnlessCapable(caller: Caller, ino: number): void {
    const row = this.#find(ino)
    if (row && !mayKeepSetId(caller)) this.#drop(caller, row)
  }

  /** Handles a SETATTR that changes nothing; returns whether it updates the time of change. */
  touch(caller: Caller, ino: number): boolean {
    const row = this.#engine.read(getInode(ino))
    const isOwner = row.uid === caller.uid || mayActAsOwner(caller)
    const use = this.#useByKernel(ino)
    if (isOwner || use === 'written') this.#drop(caller, row)
    else if (use === 'none' && this.#dropped(caller, row) !== row.mode) {
      throw new FsError('EPERM', 'only its owner may clear the set-id bits of a file')
    }
    // Otherwise the request that follows drops the bits.
    return isOwner
  }

  /** Whether the caller of a change of owner counts as a member of the file's group. */
  inGroup(caller: Caller, ino: number): boolean {
    const row = this.#find(ino)
    return row === undefined || isInGroup(caller, row.gid)
  }

  /** The inode, if it has such bits. */
  #find(ino: number): InodeRow | undefined {
    const row = this.#engine.read(getInode(ino))
    return hasSetId(row.mode) ? row : undefined
  }

  #drop(caller: Caller, row: InodeRow): void {
    if (this.#dropped(caller, row) === row.mode) return
    this.#engine.write('dropSetId', row.ino, isInGroup(caller, row.gid), now())
  }

  #dropped(caller: Caller, { mode, gid }: InodeRow): number {
    return hasSetId(mode) ? withoutSetId(mode, isInGroup(caller, gid)) : mode
  }

  /** Whether programs have the inode open, and whether the kernel may write to it by itself. */
  #useByKernel(ino: number): 'none' | 'open' | 'written' {
    const shared = this.#shared
    if (!shared.mayBeOpen(ino)) return 'none'
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.passthroughWrites === true && open.backing !== 0) return 'written'
      return (open?.kernelOpens ?? 0) > 0 ? 'open' : 'none'
    })
  }
}

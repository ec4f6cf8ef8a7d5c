/**
 * When set-user-id and set-group-id bits go, as on ext4: with every change of content by a process
 * without CAP_FSETID, and with every change of owner or group. Set-group-id without group execute
 * stays for members of the group. The kernel says with most requests that its caller has not that
 * capability; with FALLOCATE it does not.
 *
 * A SETATTR that changes nothing (`touch`) is sent before the kernel itself writes to a file with
 * such bits, and for chown(2) of neither owner nor group. The kernel has not checked then that the
 * caller may change the file.
 */
import { now } from '../../base/clock.ts'
import { FsError } from '../../base/fs-error.ts'
import type { NodeCache } from '../../cache/state/node-cache.ts'
import type { Caller } from '../../filesystem/inode-file-system.ts'
import { getInode, hasSetId, withoutSetId, type InodeRow } from '../../metadata/inode-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { isInGroup, mayActAsOwner, mayKeepSetId } from './caller-rights.ts'

interface SetIdBitsParts {
  engine: MetadataEngine
  cache: NodeCache
}

export class SetIdBits {
  readonly #engine: MetadataEngine
  readonly #cache: NodeCache

  constructor({ engine, cache }: SetIdBitsParts) {
    this.#engine = engine
    this.#cache = cache
  }

  /** Before a change of content by a caller without CAP_FSETID: what waits is run again. */
  drop(caller: Caller, ino: number): void {
    const row = this.#find(ino)
    if (row) this.#drop(caller, row)
  }

  /** As `drop`, where the kernel does not say whether the caller has the capability. */
  dropUnlessCapable(caller: Caller, ino: number): void {
    const row = this.#find(ino)
    if (row && !mayKeepSetId(caller)) this.#drop(caller, row)
  }

  /** For a SETATTR that changes nothing; false: not even when the inode was changed. */
  touch(caller: Caller, ino: number): boolean {
    const row = this.#engine.read(getInode(ino))
    const isOwner = row.uid === caller.uid || mayActAsOwner(caller)
    const use = this.#useByKernel(ino)
    if (isOwner || use === 'written') this.#drop(caller, row)
    else if (use === 'none' && this.#dropped(caller, row) !== row.mode) {
      throw new FsError('EPERM', 'only its owner may clear the set-id bits of a file')
    }
    // Else the request that follows drops them.
    return isOwner
  }

  /** Whether the caller of a change of owner counts as one of the file's group. */
  inGroup(caller: Caller, ino: number): boolean {
    const row = this.#find(ino)
    return row === undefined || isInGroup(caller, row.gid)
  }

  /** The inode, where it has such bits. */
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

  /** Whether programs have the inode open, and the kernel may write to it by itself. */
  #useByKernel(ino: number): 'none' | 'open' | 'written' {
    const { shared } = this.#cache
    if (!shared.mayBeOpen(ino)) return 'none'
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.passthroughWrites === true && open.backing !== 0) return 'written'
      return (open?.kernelOpens ?? 0) > 0 ? 'open' : 'none'
    })
  }
}

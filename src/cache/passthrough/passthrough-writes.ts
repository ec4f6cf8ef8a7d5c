/**
 * Passthrough writes: the kernel writes files itself, at the speed of the disk. Only for files on a
 * single-node volume that are opened write-only, are new or empty, and are open nowhere else. Size
 * and mtime are those of the backing file (`measure`); a commit finds the changed chunks by
 * comparison (untracked-writes.ts). `OpenInode.writers` is `kernel` until a commit after the last
 * descriptor was closed.
 *
 * An upload reads committed bytes from the same file, which the program may still write. The cloud
 * then has the bytes that the upload read, under their CRC-32, and the next commit finds the
 * change.
 *
 * A crash of the machine may lose the table of open inodes, and the kernel may sync such a file
 * without notice (RWF_DSYNC). So the name of the file and a record of its writes are synced to the
 * disk before the first write and after each commit (`noted`). Its bytes and size are those of the
 * backing file.
 *
 * The descriptor outlives the mount: the kernel acknowledges later writes, so they are valid. A
 * file keeps this state while it has writers (`outlived`), also in the next process, and is
 * committed as it grows.
 */
import { constants } from 'node:fs'
import { timestampOf, type Timestamp } from '../../base/clock.ts'
import { O_ACCMODE, O_WRONLY } from '../../base/open-bits.ts'
import { cacheLimits } from '../limits.ts'
import { UNTRACKED } from '../state/node-schema.ts'
import type { OpenInode } from '../state/open-inode.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { Transactions } from '../state/node-database.ts'
import type { UncommittedTable } from '../state/uncommitted-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { Space } from '../space/space.ts'

const { O_DIRECT, O_DSYNC } = constants
const BLOCK_BYTES = 512

/** File system clocks are slightly behind: times must not go back because of that. */
function isJustBefore(time: Timestamp, other: Timestamp): boolean {
  const ms = (other.sec - time.sec) * 1000 + (other.nsec - time.nsec) / 1e6
  return ms > 0 && ms < cacheLimits.fileClockMs
}

export interface PassthroughWritesParts {
  settings: CacheSettings
  shared: SharedState
  index: ChunkIndex
  database: Transactions
  uncommitted: UncommittedTable
  files: BackingFiles
  space: Space
}

export class PassthroughWrites {
  readonly #parts: PassthroughWritesParts

  constructor(parts: PassthroughWritesParts) {
    this.#parts = parts
  }

  /** Whether the open of an empty file may begin passthrough writes. Call under its lock. */
  mayBegin(ino: number, flags: number): boolean {
    const { shared, index, settings, space } = this.#parts
    // O_SYNC promises more than a synced backing file, and O_DIRECT to it requires aligned blocks.
    if ((flags & O_ACCMODE) !== O_WRONLY || (flags & (O_DIRECT | O_DSYNC)) !== 0) return false
    if (!shared.passthrough || !shared.isPersistent || index.isRemote) return false
    const open = shared.findOpen(ino)
    if (open?.kernelOpens !== 1 || open.mapped || open.passthroughWrites || open.committing)
      return false
    // Such a writer cannot be made to wait for a bound of the backlog.
    if (settings.maxUnsyncedBytes !== Infinity || settings.maxUnsyncedSeconds > 0) return false
    return space.hasAmpleRoom()
  }

  /** From here on the kernel may write the file. Call under the lock of the inode. */
  begin(ino: number, open: OpenInode): void {
    open.size = 0
    open.seenMs = -1
    open.passthroughBytes = 0
    open.followWriters('begin')
    open.synced = false
    this.record(ino, open)
    this.#parts.index.sync()
  }

  /** Takes size and times from the backing file. Call under the lock of the inode. */
  measure(ino: number, open: OpenInode): void {
    if (!open.passthroughWrites) return
    const stat = this.#parts.files.stat(ino)
    // Programs truncate through this process: a shorter backing file has lost bytes.
    if (stat === undefined || stat.size < open.size || stat.size === 0) return
    if (stat.mtimeMs === open.seenMs && stat.size === open.size) return
    const { index } = this.#parts
    if (!open.dirty) {
      if (!open.committing) open.base = open.fresh ? 0 : index.file(ino).version
      open.floor = open.fresh ? 0 : open.size
      open.growth = 0
    }
    const time = timestampOf(stat.mtimeMs)
    if (stat.mtimeMs !== open.seenMs && !isJustBefore(time, open.mtime)) {
      open.mtime = time
      open.ctime = time
    }
    open.size = stat.size
    open.seenMs = stat.mtimeMs
    open.follow('write')
    // After the last close, other writers count the bytes themselves.
    if (open.backing !== 0) this.#count(open, stat.blocks * BLOCK_BYTES)
  }

  /** Counts the bytes that were not counted yet. */
  #count(open: OpenInode, bytes: number): void {
    const { shared } = this.#parts
    const grown = bytes - open.passthroughBytes
    if (grown <= 0) return
    shared.occupy(grown)
    shared.add('unsyncedBytes', grown)
    shared.add('passedBytes', grown)
    open.growth += grown
    open.passthroughBytes = bytes
  }

  /**
   * Records the passthrough writes in the node database, and syncs it. Call under the lock of the
   * inode.
   */
  record(ino: number, open: OpenInode): void {
    this.measure(ino, open)
    if (open.noted) return
    const { database, uncommitted, index } = this.#parts
    const { size } = open
    const [floor, base] = open.dirty ? [open.voidFrom, open.base] : [size, index.file(ino).version]
    const times = { mtimeSec: 0, mtimeNsec: 0 }
    database.transaction(() => {
      uncommitted.put({ ino, floor, size, stage: UNTRACKED, ...times, base })
    })
    database.sync()
    open.noted = true
  }

  /** The mount has ended while a program has the file open for writing. Call under the lock. */
  outlive(ino: number, open: OpenInode): void {
    open.followWriters('outlive')
    this.record(ino, open)
  }

  /**
   * Nobody writes the file, and all of it is committed or deleted. Call under the lock of the
   * inode.
   */
  end(ino: number, open: OpenInode): void {
    const { database, uncommitted } = this.#parts
    open.followWriters('end')
    if (!open.noted) return
    open.noted = false
    database.transaction(() => {
      uncommitted.delete(ino)
    })
  }
}

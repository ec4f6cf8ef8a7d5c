/**
 * Files that the kernel writes by itself, at the speed of the disk: opened to be written only, when
 * they were new or empty and nobody else had them open, on a node that nobody shares its metadata
 * with. This process is not asked for their writes: how long such a file is, and when it was
 * written, its backing file tells (`measure`), and which chunks were, whoever commits it looks up
 * (cache/state/untracked-writes.ts). `OpenInode.kernelWrites` says so until a commit that comes
 * after the last descriptor.
 *
 * What a commit took is read by its upload from the same file, which the program may go on writing:
 * the cloud then has what was there when the upload read it, under the CRC-32 of that, and the next
 * commit finds that the file is another.
 *
 * A machine that goes down may lose the table of open inodes. The kernel syncs such a file without
 * a word, for a write with RWF_DSYNC, say: so before the first write, and again after each commit,
 * the name of the file and a note that it is written are on the disk (`noted`). Its bytes and its
 * size are what the backing file has.
 *
 * Such a descriptor outlives the mount: what is written through it then is acknowledged by the
 * kernel like any other write, and so it counts. The file stays what it is while it has writers
 * (`outlived`), also in the next process, and is committed as it grows.
 */
import { constants } from 'node:fs'
import { timestampOf, type Timestamp } from '../../base/clock.ts'
import { O_ACCMODE, O_WRONLY } from '../../base/open-bits.ts'
import { cacheLimits } from '../limits.ts'
import type { NodeCache } from '../state/node-cache.ts'
import { UNTRACKED } from '../state/node-schema.ts'
import type { OpenInode } from '../state/open-inode.ts'

const { O_DIRECT, O_DSYNC } = constants
const BLOCK_BYTES = 512

/** Whether an open may begin it; the inode is open already. Under its lock. */
export function mayPassthroughWrite(cache: NodeCache, ino: number, flags: number): boolean {
  const { shared, index, settings } = cache
  // What O_SYNC promises takes more than the backing file; O_DIRECT there wants aligned blocks.
  if ((flags & O_ACCMODE) !== O_WRONLY || (flags & (O_DIRECT | O_DSYNC)) !== 0) return false
  if (!shared.passthrough || !shared.isPersistent || index.isRemote) return false
  const open = shared.findOpen(ino)
  if (open?.kernelOpens !== 1 || open.mapped || open.passthroughWrites || open.committing)
    return false
  // Nobody can make such a writer wait.
  if (settings.maxUnsyncedBytes !== Infinity || settings.maxUnsyncedSeconds > 0) return false
  return cache.sizeOf(ino) === 0 && hasAmpleRoom(cache)
}

/** For more than a file grows by until the evictor notices, and can make room for it. */
function hasAmpleRoom({ shared, settings }: NodeCache): boolean {
  const free = shared.counter('freeBytes') - settings.freeFloorBytes
  const kept = shared.counter('unsyncedBytes') + shared.counter('passedBytes')
  return Math.min(free, settings.capacityBytes - kept) >= cacheLimits.passthroughWriteRoomBytes
}

/** From here on the kernel may write it; under the inode's lock. */
export function beginPassthroughWrites(cache: NodeCache, ino: number, open: OpenInode): void {
  open.size = 0
  open.seenMs = -1
  open.passthroughBytes = 0
  open.passthroughWrites = true
  open.synced = false
  recordPassthroughWrites(cache, ino, open)
  cache.index.sync()
}

/** What the kernel has written so far counts as written; under the inode's lock. */
export function measure(cache: NodeCache, ino: number, open: OpenInode): void {
  if (!open.passthroughWrites) return
  const stat = cache.files.stat(ino)
  // Whoever cuts the file asks this process: one that is shorter has lost bytes.
  if (stat === undefined || stat.size < open.size || stat.size === 0) return
  if (stat.mtimeMs === open.seenMs && stat.size === open.size) return
  const { index } = cache
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
  open.dirty = true
  // Once it is closed whoever writes it counts by himself.
  if (open.backing !== 0) count(cache, open, stat.blocks * BLOCK_BYTES)
}

/** The clock of file systems is a little behind: no time goes back for that. */
function isJustBefore(time: Timestamp, other: Timestamp): boolean {
  const ms = (other.sec - time.sec) * 1000 + (other.nsec - time.nsec) / 1e6
  return ms > 0 && ms < cacheLimits.fileClockMs
}

/** As far as it was not counted yet. */
function count({ shared }: NodeCache, open: OpenInode, bytes: number): void {
  const grown = bytes - open.passthroughBytes
  if (grown <= 0) return
  shared.occupy(grown)
  shared.add('unsyncedBytes', grown)
  shared.add('passedBytes', grown)
  open.growth += grown
  open.passthroughBytes = bytes
}

/** The database knows it as well from here on, on the disk; under the inode's lock. */
export function recordPassthroughWrites(cache: NodeCache, ino: number, open: OpenInode): void {
  measure(cache, ino, open)
  if (open.noted) return
  const { database, index } = cache
  const { size } = open
  const [floor, base] = open.dirty ? [open.voidFrom, open.base] : [size, index.file(ino).version]
  const times = { mtimeSec: 0, mtimeNsec: 0 }
  database.transaction(() => {
    database.putUncommitted({ ino, floor, size, stage: UNTRACKED, ...times, base })
  })
  database.sync()
  open.noted = true
}

/** Its mount has ended, and a program still has it open for writing; under the inode's lock. */
export function outliveMount(cache: NodeCache, ino: number, open: OpenInode): void {
  open.passthroughWrites = true
  open.outlived = true
  recordPassthroughWrites(cache, ino, open)
}

/** Nobody writes it any more, and all of it is committed, or gone; under the inode's lock. */
export function endPassthroughWrites({ database }: NodeCache, ino: number, open: OpenInode): void {
  open.passthroughWrites = false
  open.outlived = false
  if (!open.noted) return
  open.noted = false
  database.transaction(() => {
    database.deleteUncommitted(ino)
  })
}

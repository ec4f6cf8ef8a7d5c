/**
 * The handle of an open file: what this node has to know of an open with each request that the
 * kernel makes for it, packed into the number that the kernel gives back. No two opens of a mount
 * have the same one, as long as both are there: locks are owned by handles
 * (fuse/handlers/lock-handlers.ts).
 */
import { O_ACCMODE, O_APPEND, O_RDWR, O_WRONLY } from '../../base/open-bits.ts'
import type { OpenedInode } from '../../cache/write/file-committer.ts'
import type { OpenInode } from '../../cache/state/open-inode.ts'

const WRITES = 1
const DIRECT = 2
const EPOCH_UNIT = 4
/** Of which only the last bits are in a handle: it grows where other nodes were faster. */
const EPOCHS = 1024
const NUMBER_UNIT = EPOCH_UNIT * EPOCHS

/** `number`: of this open, among those of the mount; less than 2^32. */
export function handleOf(flags: number, { epoch, isDirect }: OpenedInode, number: number): number {
  const how = (isDirect ? DIRECT : 0) + ((flags & O_ACCMODE) === 0 ? 0 : WRITES)
  return number * NUMBER_UNIT + (epoch % EPOCHS) * EPOCH_UNIT + how
}

/** The open may have written. */
export function mayWrite(handle: number): boolean {
  return handle % 2 === WRITES
}

/** Its reads and writes bypass the kernel's page cache. */
export function isDirect(handle: number): boolean {
  return (handle % EPOCH_UNIT) - (handle % 2) === DIRECT
}

/** Whether it was opened in that epoch of its inode (FileCommitter.requireKept). */
export function isOfEpoch(handle: number, epoch: number): boolean {
  return Math.floor((handle % NUMBER_UNIT) / EPOCH_UNIT) === epoch % EPOCHS
}

export interface DirectOpenFacts {
  /** Other nodes write the file as well. */
  isShared: boolean
  /** A file that is read past the page cache can be mapped nevertheless. */
  directMaps: boolean
  /** It has capabilities, which the kernel drops only with a write through the page cache. */
  mustCache: () => boolean
}

/**
 * Whether an open is to bypass the kernel's page cache. A program that only writes gains nothing by
 * pages, which cost a copy of each byte. But pages and writes that bypass them do not go together:
 * a page that was read while the file grew shows zeros for what was written meanwhile. So all opens
 * of a file do the same, as long as they can: the first one decides. Where other nodes append as
 * well the kernel does not know the end, and would keep what is appended in the wrong pages. And a
 * file that another node writes cannot be mapped shared here: what bypasses the cache is not.
 */
export function isDirectOpen(
  flags: number,
  open: OpenInode,
  { isShared, directMaps, mustCache }: DirectOpenFacts,
): boolean {
  if (isShared && (flags & O_APPEND) !== 0) return true
  if (isShared && (flags & O_ACCMODE) === O_RDWR && !open.mayMap) return true
  if (open.outlived && directMaps) return true
  const isCached = open.kernelOpens > open.directOpens
  if ((flags & O_ACCMODE) === O_WRONLY) return !isCached && !mustCache()
  return open.directOpens > 0 && directMaps
}

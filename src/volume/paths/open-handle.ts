/**
 * The handle of an open file: what this node needs of an open with each of its requests, packed
 * into the number that the kernel sends back. Two opens of one mount never have the same handle at
 * the same time: locks are owned by handles (fuse/handlers/lock-handlers.ts).
 */
import { O_ACCMODE, O_APPEND, O_RDWR, O_WRONLY } from '../../base/open-bits.ts'
import type { OpenedInode } from '../../cache/write/file-committer.ts'
import type { OpenInode } from '../../cache/state/open-inode.ts'

const WRITES = 1
const DIRECT = 2
const EPOCH_UNIT = 4
/**
 * Modulus of the epoch in a handle. The epoch of an inode grows by one when uncommitted writes are
 * discarded because another node committed first.
 */
const EPOCHS = 1024
const NUMBER_UNIT = EPOCH_UNIT * EPOCHS

/** `number`: number of this open on the mount, less than 2^32. */
export function handleOf(flags: number, { epoch, isDirect }: OpenedInode, number: number): number {
  const how = (isDirect ? DIRECT : 0) + ((flags & O_ACCMODE) === 0 ? 0 : WRITES)
  return number * NUMBER_UNIT + (epoch % EPOCHS) * EPOCH_UNIT + how
}

/** Whether the file was opened for writing. */
export function mayWrite(handle: number): boolean {
  return handle % 2 === WRITES
}

/** Whether its reads and writes bypass the kernel's page cache. */
export function isDirect(handle: number): boolean {
  return (handle % EPOCH_UNIT) - (handle % 2) === DIRECT
}

/** Whether it was opened in that epoch of its inode (FileCommitter.requireKept). */
export function isOfEpoch(handle: number, epoch: number): boolean {
  return Math.floor((handle % NUMBER_UNIT) / EPOCH_UNIT) === epoch % EPOCHS
}

export interface DirectOpenFacts {
  /** Other nodes may write the file too. */
  isShared: boolean
  /** The kernel supports mappings of files that are opened with direct I/O. */
  directMaps: boolean
  /** The file has capabilities, which the kernel drops only on writes through the page cache. */
  mustCache: () => boolean
}

/**
 * Whether an open bypasses the kernel's page cache.
 *
 * A program that only writes gains nothing from pages, which cost a copy of each byte. But pages
 * and direct writes must not be mixed: a page that was read while the file grew shows zeros in
 * place of later writes. So all opens of a file use the same mode where possible, and the first one
 * decides. If other nodes append too, the kernel's end of the file is out of date, and it would put
 * appended bytes into the wrong pages. A file that another node has open for writing must not be
 * mapped shared here; in a cluster, the kernel refuses such mappings of files with direct I/O.
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

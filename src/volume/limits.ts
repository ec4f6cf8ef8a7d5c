/**
 * Bounds of the volume on one node: every queue, buffer, retry, cache and wait has one, with its
 * unit and its reason. `src/limits.ts` is the index of the bounds of all folders.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const volumeLimits = {
  /** Attempts of an open(2) with O_CREAT while others create and remove the name repeatedly. */
  createAttempts: 16,
  /** Interval between comparisons of the replicas for peers with the metadata, ms. */
  replicaSettleMs: 60_000,
  /** Names of files in one log message or report; the others are counted. */
  namedFiles: 10,
  /** Part of the name of a file in `conflicts/` that comes from the file itself, characters. */
  keptNameLength: 60,
  /** Chunks that are looked for in the cloud at once after names were restored from a backup. */
  restoredReads: 8,
  /** Wait for the kernel to drop pages and names before a change is answered anyway, ms. */
  kernelNotifyMs: 5_000,
  /** The same for a write whose last page the kernel may have locked, ms. */
  kernelPagesMs: 20,
  /** Usual upper bound from close(2) to the RELEASE of the open file at this node, ms. */
  lockCloseMs: 20,
  /**
   * Buffer of an API response until its client reads it, bytes: 72 MiB for the largest number of
   * connections. Four times as much makes a fast client no faster.
   */
  apiBlockBytes: 64 * KIB,
  /** Numbers (inodes, chunk ids) that a thread reserves in one transaction. */
  numberBlock: 1000,
  /** Objects deleted from the cloud in one batch, and of these in parallel. */
  trashBatch: 256,
  trashDeletes: 8,
  /** Wait for the lock of the directory, ms: a killed process may take so long to release it. */
  directoryLockMs: 1_000,
  /** Requests of one node that wait for a file lock: half of all requests that may wait. */
  lockWaitersPerNode: 512,
  /** Counters that show that no lock is held on an inode: 4 bytes each. */
  lockMarks: 4096,
  /** Counters of dropped domains, 4 bytes each: the more, the fewer needless questions. */
  domainMarks: 65_536,
  /** Places for exclusive domains, 8 bytes each, and how many of them one domain may be in. */
  exclusivePlaces: 65_536,
  exclusiveProbes: 64,
  /** Chunks that one node replicates at once, and their bytes in memory. */
  copies: 16,
  copyBufferBytes: 64 * MIB,
  /**
   * Wait of a close for peers that accept its replicas, ms, counted from the last one accepted: a
   * restarting node is back by then, and a node that waits for this file does not time out.
   */
  copiesWaitMs: 10_000,
  /** Interval between checks whether more nodes are online, ms. */
  copiesLookMs: 500,
  /** Time after which an offline holder is replaced, and its chunks are uploaded by others, ms. */
  holderGoneMs: 10_000,
  /** Interval between checks which nodes are online, ms. */
  holderLookMs: 2_500,
  /** Interval between checks of all holders while no node comes or leaves, ms. */
  holderPassMs: 10_000,
  /** Chunks repaired at once after their holders are gone. */
  holderRepairs: 8,
  /** Files that are listed as unavailable: the first are enough to name the nodes to bring back. */
  missingFiles: 1000,
  /** Different lists of holders that a receipt of one file reads. */
  receiptHolders: 256,
  /** Damaged databases that are kept after they were rebuilt. */
  damagedDatabases: 3,
  /** Interval between comparisons of the lost chunks with the metadata, ms: some are replaced. */
  lostLookMs: 60_000,
  /** Chunks fetched ahead for one sequential reader; in a cluster, so many for each node. */
  readaheadChunks: 12,
} as const

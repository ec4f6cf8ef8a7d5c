/**
 * Bounds of the volume on one node: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const volumeLimits = {
  /** Turns of open(2) with O_CREAT, while others make and remove the name again and again. */
  createAttempts: 16,
  /** Copies held for peers are compared with the metadata so often, ms. */
  replicaSettleMs: 60_000,
  /** Files that are named where many are meant. */
  namedFiles: 10,
  /** A change through the API is answered after so long, ms, though the kernel did not note it. */
  kernelNotifyMs: 5_000,
  /** A write is answered after so long, ms, though the kernel has not forgotten what it should. */
  kernelPagesMs: 20,
  /** The end of an open file reaches this node so long after close(2) at most, as a rule, ms. */
  lockCloseMs: 20,
  /**
   * Bytes of an answer in memory until its client takes them: 72 MiB for as many connections as
   * there may be. With four times as much a fast client is no faster.
   */
  apiBlockBytes: 64 * KIB,
  /** Numbers (inodes, chunk ids) that a thread reserves at once: one transaction in so many. */
  numberBlock: 1000,
  /** Objects deleted from the cloud in one go, and at once. */
  trashBatch: 256,
  trashDeletes: 8,
  /** A process that was killed may take so long, ms, to let go of its directory. */
  directoryLockMs: 1_000,
  /** Requests of one node that wait for a file lock: half of all that may wait for something. */
  lockWaitersPerNode: 512,
  /** Counters by which threads know that no lock is held on an inode: 4 bytes each. */
  lockMarks: 4096,
  /** Chunks that one node gives to peers at once before a commit, and their bytes in memory. */
  copies: 16,
  copyBufferBytes: 64 * MIB,
  /**
   * A close waits so long for nodes that take its copies, ms, counted from the last one taken: a
   * node that restarts is back by then, and a node that waits for this file does not give up.
   */
  copiesWaitMs: 10_000,
  /** Between two looks whether more nodes are there, ms. */
  copiesLookMs: 500,
  /** A holder that is away for so long is replaced, and what it wrote is uploaded by others, ms. */
  holderGoneMs: 10_000,
  /** Between two looks who is there, ms. */
  holderLookMs: 2_500,
  /** Who holds what is looked through so often, ms, also where nobody came or went. */
  holderPassMs: 10_000,
  /** Chunks of which all is done again when a holder went, at once. */
  holderRepairs: 8,
  /** Files that are listed as missing: the first tell which node to bring back. */
  missingFiles: 1000,
  /** Different lists of holders that a receipt of one file reads. */
  receiptHolders: 256,
  /** Chunks that are lost are compared with the metadata so often, ms: some are replaced. */
  lostLookMs: 60_000,
  /** Chunks fetched ahead of one sequential reader; for each node of the cluster, up to so many. */
  readaheadChunks: 12,
} as const

/**
 * Bounds of the cache of one node: every queue, buffer, retry, cache and wait has one, with its
 * unit and its reason. src/limits.ts is the index of all bounds.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const cacheLimits = {
  /** Interval of polling for a file whose pages are about to be dropped, ms. */
  pageDropLookMs: 1,
  /**
   * Time after which the kernel has the new size of a truncated file, ms. It takes microseconds
   * once the program is scheduled.
   */
  cutHoldMs: 200,
  /** Inodes open at the same time: size of a table in shared memory (144 bytes each). */
  openInodes: 65_536,
  /** Inodes in the presence cache of a thread, and chunks of each. */
  rememberedInodes: 4096,
  rememberedChunks: 8192,
  /**
   * Interval at which a use of a chunk is recorded at most, ms: LRU needs no better, writes cost.
   */
  accessGranularityMs: 60_000,
  /** Optimistic reads before one is done under the lock of the inode. */
  optimisticReads: 100,
  /**
   * Time in which commits that nobody waits for are collected, ms: a burst of small files shares
   * one transaction, and the first upload comes much later.
   */
  groupCommitMs: 20,
  /** Files in one such transaction: a few ms, during which requests for one of them wait. */
  groupCommitFiles: 64,
  /** Files that wait for it; further ones are committed when they are closed. A power of two. */
  groupCommitQueue: 8192,
  /** Interval at which waiters check their condition without a wake-up, ms. */
  conditionPollMs: 1000,
  /** Share of the capacity down to which chunks are evicted. */
  evictTo: 0.9,
  /**
   * Chunks of the cache that should not be pending (half of a smaller cache): twice what the 12
   * requests that a kernel has under way by default touch at worst.
   */
  looseChunks: 48,
  /** Chunks evicted between two measurements of the disk. */
  evictBatch: 64,
  /** Time for which writers wait for space that only uploads can free, ms; then ENOSPC. */
  spaceWaitMs: 30_000,
  /** Size up to which a database is checked for damage at the start, bytes: some 0.1 s. */
  databaseCheckBytes: 32 * MIB,
  /** Size of a write-ahead log beyond which writers wait for a checkpoint, bytes. */
  writeAheadLogBytes: 64 * MIB,
  /** Interval at which the disk, the backlog and the databases are examined, ms. */
  housekeepingMs: 1000,
  /** Interval of closing descriptors of removed files, which keep their space, ms. */
  removedFilesMs: 250,
  /** Worker threads of one mount: more than the cores of the machine never pays. */
  fuseWorkers: 64,
  /** Replica holders that are asked for a chunk before its owner. */
  peerHoldersAsked: 2,
  /** Share of the capacity that replicas may take: the rest is for this node. */
  heldShare: 0.5,
  /** Time for which a replica without a reference is kept, ms: its commit may be under way. */
  replicaGraceMs: 3_600_000,
  /** Replicas examined in one batch. */
  replicaPage: 256,
  /** With too few replicas, time for which close waits for failing uploads, ms; then it fails. */
  copiesCloudWaitMs: 10_000,
  /**
   * Time for which a reader waits for chunks that only nodes that do not answer have, ms: they may
   * be restarting.
   */
  holderWaitMs: 5_000,
  /**
   * Share of the capacity that files open for passthrough reads may take: none of it is evicted.
   */
  passthroughShare: 0.5,
  /** Granularity of file system clocks, ms: a change within it may not change the time. */
  fileClockMs: 50,
  /**
   * Passthrough writes begin only if this many bytes are free on the disk, and free or evictable in
   * the capacity: their growth is measured once a second, and they cannot be made to wait.
   */
  passthroughWriteRoomBytes: 4 * 1024 * 1024 * 1024,
  /**
   * Files that may begin passthrough writes at once, and the interval after which one more may, ms:
   * it takes 70 µs each, which is nothing for large files, and too much for thousands of small
   * ones.
   */
  passthroughWriteBurst: 8,
  passthroughWriteEveryMs: 20,
  /** Size up to which a file is committed while the kernel still writes it, bytes. */
  passthroughWriteLookBytes: 1024 * 1024 * 1024,
  /** Share of the time for finding changed chunks in such files. */
  passthroughWriteLookShare: 0.05,
  /** Age at which the CRC-32 of a pending chunk is computed, ms: most are uploaded by then. */
  checksumAfterMs: 1500,
  /**
   * Rate at which clean chunks are read to find damage, bytes per ms: 8 MiB/s, below one per cent.
   */
  scrubBytesPerMs: 8 * KIB,
  /** Interval at which all of a small cache is read again, ms. */
  scrubPassMs: 5_000,
  /** Bytes of a chunk that are compared with its checksum at once. */
  checkBlockBytes: 256 * KIB,
  /** Chunks between two records of the position of the scrub. */
  scrubPage: 64,
  /** Absent and damaged objects of the cloud that are remembered: enough to see their extent. */
  unreadableObjects: 1000,
  /** Time for which a chunk sent by the API is not compared with its checksum again, ms. */
  intactMs: 60_000,
  /** Chunks in the cache of these results. */
  intactChunks: 4096,
  /** Attempts to read a chunk from the disk of this node before it counts as lost. */
  lostLooks: 3,
  /** Chunks uploaded at the same time: hides the latency of small ones. */
  uploads: 32,
  /** Bytes of these chunks in memory: 16 chunks of 4 MiB. */
  uploadBufferBytes: 64 * MIB,
  /** Size up to which a chunk is read for its upload without another thread, bytes. */
  readAtOnceBytes: 64 * KIB,
  /** Finished uploads that are recorded in one transaction: writers wait a millisecond for it. */
  uploadGroup: 64,
  /** Time for which a finished upload waits for others, ms, unless somebody waits for uploads. */
  uploadGroupMs: 20,
  /** Uploads that have finished and are not recorded; beyond it, each keeps its permit. */
  uploadsEnded: 512,
  /** Age at which a chunk is uploaded, ms, unless awaited: many are short-lived. */
  uploadSettleMs: 1000,
  /** Interval of looking for chunks that have reached that age, ms. */
  uploadLookMs: 100,
  /** Journal rows read at once. */
  uploadBatch: 256,
  /** First delay after a failed upload, ms. */
  uploadRetryBaseMs: 500,
  /** Attempts per minute while uploads fail: enough to notice that the cloud works again. */
  failedUploadsPerMinute: 60,
  /** Bytes of chunks being fetched, in memory. */
  downloadBufferBytes: 64 * MIB,
  /** Bytes of chunks being fetched from the cloud, for readers on this node and for peers. */
  cloudBufferBytes: 64 * MIB,
  /** Attempts to fetch a chunk that somebody waits for, before the reader gets EIO. */
  downloadAttempts: 4,
  /** Part of `downloadBufferBytes` for chunks fetched ahead: the rest is for readers that wait. */
  readaheadBufferBytes: 48 * MIB,
  /**
   * Part of `cloudBufferBytes` that an owner keeps free when it prepares chunks nobody requested.
   */
  unpreparedBufferBytes: 16 * MIB,
  /** Nodes whose windows add up to the prefetch window of a file, at most. */
  readaheadNodes: 8,
  /** A chunk of which more than one part in this many was requested in ranges is fetched whole. */
  rangeShare: 8,
  /** Chunks for which the bytes read in ranges are counted. */
  rangedChunks: 4096,
  /** Sequential readers that are followed at the same time. */
  readaheadStreams: 1024,
} as const

/**
 * Bounds of the cache of one node: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const cacheLimits = {
  /** Attributes of a file whose pages are about to go are looked at again after so long, ms. */
  pageDropLookMs: 1,
  /**
   * The kernel has taken in that a file was cut after so long, ms: it takes microseconds, where the
   * program gets to run.
   */
  cutHoldMs: 200,
  /** Inodes open at the same time: the size of a table in shared memory (144 bytes each). */
  openInodes: 65_536,
  /** Inodes whose chunk states a thread remembers, and chunks it remembers of each. */
  rememberedInodes: 4096,
  rememberedChunks: 8192,
  /** A use of a chunk is noted at most so often, ms: LRU needs no better, writes cost. */
  accessGranularityMs: 60_000,
  /** Optimistic reads before one is done under the inode's lock. */
  optimisticReads: 100,
  /**
   * Commits that nobody waits for are collected so long, ms: a burst of small files shares a
   * transaction, and the first upload comes much later.
   */
  groupCommitMs: 20,
  /** Files in one such transaction: a few ms, in which requests for one of them wait. */
  groupCommitFiles: 64,
  /** Files that wait for one; further ones are committed when they are closed. A power of two. */
  groupCommitQueue: 8192,
  /** Waiters look again after so long without news, ms. */
  conditionPollMs: 1000,
  /** Share of the capacity that eviction goes down to. */
  evictTo: 0.9,
  /**
   * Chunks of the cache that should not be waiting for the cloud (half of a smaller cache): twice
   * what the requests that a kernel has under way by default, 12, touch at their worst.
   */
  looseChunks: 48,
  /** Chunks evicted between two looks at the disk. */
  evictBatch: 64,
  /** Writers wait so long for space that only the cloud can give, ms, then ENOSPC. */
  spaceWaitMs: 30_000,
  /** Databases are looked through for damage at a start, up to so many bytes: some 0.1 s. */
  databaseCheckBytes: 32 * MIB,
  /** Write-ahead log of a database, bytes, beyond which writers wait for a checkpoint. */
  writeAheadLogBytes: 64 * MIB,
  /** Between two looks at the disk, the backlog and the databases, ms. */
  housekeepingMs: 1000,
  /** Between two looks for removed files whose descriptors keep their space, ms. */
  removedFilesMs: 250,
  /** Worker threads that answer one mount: more than the machine's cores never pays. */
  fuseWorkers: 64,
  /** Peers that hold a chunk which are asked for it before its home is. */
  peerHoldersAsked: 2,
  /** Share of the capacity that copies held for peers may take: the rest is for this node. */
  heldShare: 0.5,
  /** A copy that no reference names is kept so long, ms: its commit may still be on its way. */
  replicaGraceMs: 3_600_000,
  /** Copies looked at in one go. */
  replicaPage: 256,
  /** Then for the cloud instead, while it takes nothing, ms; then close fails. */
  copiesCloudWaitMs: 10_000,
  /** Who reads what only nodes have waits so long, ms, for one that does not answer: a restart. */
  holderWaitMs: 5_000,
  /** Share of the capacity that such files may have while they are open: none of it is evicted. */
  passthroughShare: 0.5,
  /** Clocks of file systems stand still for so long, ms: what changed in it may not show. */
  fileClockMs: 50,
  /**
   * The kernel is to write files by itself only where so many bytes are free, of the disk, and free
   * or to be freed, of the capacity: what it writes is seen once a second, and it cannot be made
   * to wait.
   */
  passthroughWriteRoomBytes: 4 * 1024 * 1024 * 1024,
  /**
   * So many files may begin to be written by the kernel at once, and one more in so many ms: it
   * takes 70 µs each, which is nothing for large files, and too much for thousands of small ones.
   */
  passthroughWriteBurst: 8,
  passthroughWriteEveryMs: 20,
  /** Files that are open so long that they are committed meanwhile: larger ones are not, bytes. */
  passthroughWriteLookBytes: 1024 * 1024 * 1024,
  /** Share of the time that looking for what changed in them may take. */
  passthroughWriteLookShare: 0.05,
  /** A chunk that waits for its upload has its CRC-32 taken after so long, ms: most are gone. */
  checksumAfterMs: 1500,
  /** Clean chunks that are read again to find damage, bytes per ms: 8 MiB/s, below one per cent. */
  scrubBytesPerMs: 8 * KIB,
  /** All of a small cache is read again so often, ms. */
  scrubPassMs: 5_000,
  /** Chunks between two notes of how far that has come. */
  scrubPage: 64,
  /** Damaged chunks that were only here, of which the bytes are kept. */
  damagedKept: 256,
  /** What the API gives is compared with its checksum again after so long, ms. */
  intactMs: 60_000,
  /** Chunks of which that is remembered. */
  intactChunks: 4096,
  /** A chunk that cannot be read from this node's disk is lost after so many tries. */
  lostLooks: 3,
  /** Chunks on their way to the cloud at once: hides the latency of small ones. */
  uploads: 32,
  /** Their bytes in memory: 16 chunks of 4 MiB. */
  uploadBufferBytes: 64 * MIB,
  /** A chunk of up to so many bytes that is to be uploaded is read without another thread. */
  readAtOnceBytes: 64 * KIB,
  /** Uploads that have ended are noted together, so many: writers wait a millisecond for that. */
  uploadGroup: 64,
  /** One that has ended waits so long for others, ms, unless somebody waits for uploads. */
  uploadGroupMs: 20,
  /** Uploads that have ended and are not noted; beyond, one that ends keeps its place. */
  uploadsEnded: 512,
  /** A chunk is uploaded so long after its commit, ms, unless awaited: much is short-lived. */
  uploadSettleMs: 1000,
  /** Between two looks at chunks that have not settled, ms. */
  uploadLookMs: 100,
  /** Journal rows read at once. */
  uploadBatch: 256,
  /** First wait after a failed upload, ms. */
  uploadRetryBaseMs: 500,
  /** Attempts per minute while the cloud fails: enough to notice that it is back. */
  failedUploadsPerMinute: 60,
  /** Bytes of chunks being fetched, in memory. */
  downloadBufferBytes: 64 * MIB,
  /** Of those, chunks that come from the cloud, for readers here and for peers. */
  cloudBufferBytes: 64 * MIB,
  /** Tries to fetch a chunk that somebody waits for, before the reader is told EIO. */
  downloadAttempts: 4,
  /** Of the first of these, what nobody waits for yet: who does never waits for all of that. */
  readaheadBufferBytes: 48 * MIB,
  /** Of the second, what stays free of chunks that a home gets before anybody asks for them. */
  unpreparedBufferBytes: 16 * MIB,
  readaheadNodes: 8,
  /** A chunk of which more than one part in so many was asked for in ranges is fetched whole. */
  rangeShare: 8,
  /** Chunks of which is known how much of them came so. */
  rangedChunks: 4096,
  /** Sequential readers that are followed at once. */
  readaheadStreams: 1024,
} as const

/**
 * Bounds of the metadata engine and its stores: every queue, buffer, retry, cache and wait has one,
 * with its unit and its reason. `src/limits.ts` is the index of the bounds of all folders.
 */
const KIB = 1024

export const metadataLimits = {
  /** Largest extended attribute value, bytes (XATTR_SIZE_MAX). */
  xattrValueBytes: 64 * KIB,
  /** All names of one inode's extended attributes, bytes (XATTR_LIST_MAX). */
  xattrListBytes: 64 * KIB,
  /** Operations in one message from a node's outbox: one transaction of the coordinator. */
  outboxBatch: 256,
  /** Largest difference in the speed of two machines' clocks, as a share of a lease's validity. */
  linkClockDrift: 0.05,
  /** Hard links to one inode: as ext4. */
  linksPerInode: 65_000,
  /** Largest N of durability `peers=N`: more would only slow down every close. */
  durabilityPeers: 16,
  /** Connections of a coordinator to PostgreSQL for reads; writes and leadership have one each. */
  storeConnections: 4,
  /** Timeout of connecting to PostgreSQL, ms. */
  storeConnectMs: 3_000,
  /** Timeout of one statement, ms; its connection is closed then. */
  storeStatementMs: 5_000,
  /** Time after which the server ends an idle open transaction, ms: its process has stopped. */
  storeIdleMs: 3_000,
  /** Time during which a transaction is retried, ms: a node waits longer for its answer. */
  storeWaitMs: 15_000,
  /** First and longest wait between these retries, ms. */
  storeRetryBaseMs: 5,
  storeRetryMaxMs: 500,
  /** Operations that share one transaction and its costs: the first waits for the last. */
  storeBatch: 64,
  /** Operations that wait for the store; further ones are refused. */
  storeQueue: 65_536,
  /**
   * Most numbers that an opening of the metadata leaves out. Of chunk ids so many that two random
   * choices do not meet, and few enough for millions of openings; of inodes fewer, so that they
   * stay short.
   */
  skippedInodes: 2 ** 24,
  skippedChunks: 2 ** 32,
  /** Openings of a store that it remembers: a node may be away for so many. */
  terms: 10_000,
  /** Rows that are read from, or copied into, a store at once. */
  storePage: 1000,
  /** Time without a heartbeat after which the leading coordinator is replaced, ms. */
  leaderTtlMs: 3_000,
  /** Interval between heartbeats of the leader, ms: three may be lost. */
  leaderBeatMs: 750,
  /** Interval between checks of the leader by the other coordinators, ms. */
  leaderPollMs: 250,
} as const

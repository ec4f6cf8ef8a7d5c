/**
 * Bounds of the metadata engine and its stores: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024

export const metadataLimits = {
  /** Largest extended attribute value, bytes (XATTR_SIZE_MAX). */
  xattrValueBytes: 64 * KIB,
  /** All names of one inode's extended attributes, bytes (XATTR_LIST_MAX). */
  xattrListBytes: 64 * KIB,
  /** Clocks of two machines may run apart by so much of the time above, a share. */
  linkClockDrift: 0.05,
  /** Hard links to one inode: as ext4. */
  linksPerInode: 65_000,
  /** Nodes that a directory may ask for besides the writer: more would only slow every close. */
  durabilityPeers: 16,
  /** Connections of a coordinator to PostgreSQL for reading; writing and leading have one each. */
  storeConnections: 4,
  /** Until a connection to PostgreSQL stands, ms. */
  storeConnectMs: 3_000,
  /** One statement, ms: then its connection is given up. */
  storeStatementMs: 5_000,
  /** A transaction that is left open is ended by the server after this, ms: its process stopped. */
  storeIdleMs: 3_000,
  /** A transaction is tried again for so long, ms: a node waits longer for its answer. */
  storeWaitMs: 15_000,
  /** Waits between the tries begin and end with, ms. */
  storeRetryBaseMs: 5,
  storeRetryMaxMs: 500,
  /** Operations that share a transaction, and its costs: the first waits for the last. */
  storeBatch: 64,
  /** Operations that wait for the store; further ones are told to come again. */
  storeQueue: 65_536,
  /** Rows that are copied out of PostgreSQL at once. */
  storePage: 1000,
  /** An active coordinator that was not heard of for so long is replaced, ms. */
  leaderTtlMs: 3_000,
  /** It says so often that it lives, ms: three may be lost. */
  leaderBeatMs: 750,
  /** Others look so often, ms. */
  leaderPollMs: 250,
} as const

/**
 * Bounds of the library: every queue, buffer, retry, cache and wait has one, with its unit and its
 * reason. `src/limits.ts` is the index of the bounds of all folders.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const cachefsLimits = {
  /** Default validity of cached names and attributes, ms. */
  cacheTtlMs: 3_600_000,
  /** Default validity of a cached absence, ms: another program may be about to create the file. */
  cacheNegativeTtlMs: 5_000,
  /** Bytes of a file that are fetched at once: one round trip, moderate memory. */
  cacheBlockBytes: 4 * MIB,
  /** Blocks that are fetched ahead of a sequential reader. */
  cacheReadahead: 3,
  /** Time after which a full local side is tried again, ms. */
  cacheTightMs: 5_000,
  /** Blocks of one file that are fetched at once if the whole file is wanted. */
  cacheFetches: 4,
  /** Changes that are sent to the remote at once. */
  cacheConcurrency: 8,
  /** Attempts of a change before it counts as stalled: some seconds with the usual waits. */
  cacheAttempts: 5,
  /** Changes waiting for the remote; further ones wait until there is room. */
  cachePendingChanges: 10_000,
  /** Background errors that are kept; older ones are only counted. */
  cacheErrors: 1000,
  /** Cached names, some 500 bytes each; beyond that, old ones are looked up again. */
  cacheEntries: 200_000,
  /** Attempts of an operation whose preconditions were changed concurrently. */
  cacheRounds: 100,
  /** Attempts of a read whose file was replaced on the remote. */
  cacheReadAttempts: 5,
  /** Attempts to send a file that is being written, before a copy of it is made and sent. */
  cacheReadsOfWritten: 2,
  /** Delay after which the state of copies is written to the journal, ms, in one step. */
  cacheJournalMs: 500,
  /** Growth of a journal over its live content at which it is rewritten, bytes. */
  cacheJournalSlackBytes: 4 * MIB,
  /**
   * Blocks allocated for a journal in advance, bytes, for when the disk is full: some hundred
   * changes.
   */
  cacheJournalReserveBytes: 512 * KIB,
  /** Wait of an operation that finds the local side full for files that are being sent, ms. */
  cacheRoomMs: 30_000,
} as const

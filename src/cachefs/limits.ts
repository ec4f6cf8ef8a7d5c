/**
 * Bounds of the library: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const cachefsLimits = {
  /** A CacheFS believes what it learnt so long, ms, where nothing else is said. */
  cacheTtlMs: 3_600_000,
  /** ... and that there is nothing, ms: somebody may be about to make it. */
  cacheNegativeTtlMs: 5_000,
  /** A CacheFS fetches files in blocks of so many bytes: one round trip, moderate memory. */
  cacheBlockBytes: 4 * MIB,
  /** Blocks that are fetched ahead of a sequential reader. */
  cacheReadahead: 3,
  /** A local side that had no room for a block is asked again after so long, ms. */
  cacheTightMs: 5_000,
  /** Blocks of one file that are fetched at once where all of it is wanted. */
  cacheFetches: 4,
  /** Changes that go to the remote at once. */
  cacheConcurrency: 8,
  /** Tries of a change before it counts as stalled: some seconds with the usual waits. */
  cacheAttempts: 5,
  /** Changes on their way to the remote; further ones wait until there is room. */
  cachePendingChanges: 10_000,
  /** Errors of the background that are kept; older ones are only counted. */
  cacheErrors: 1000,
  /** Names remembered, some 500 bytes each; beyond, the oldest that can be asked for again go. */
  cacheEntries: 200_000,
  /** Times an operation looks again because what it saw changed before it could act. */
  cacheRounds: 100,
  /** Times a read starts anew because the remote's file was replaced under it. */
  cacheReadAttempts: 5,
  /** Times a file that is being written is read for the remote before a copy is made of it. */
  cacheReadsOfWritten: 2,
  /** What is known of copies is written down so much later, ms, in one go. */
  cacheJournalMs: 500,
  /** A journal is written anew when it has grown by so many bytes over what it has to say. */
  cacheJournalSlackBytes: 4 * MIB,
  /** Blocks that a journal has of a full disk, bytes: lines of some hundred changes. */
  cacheJournalReserveBytes: 512 * KIB,
  /** Whoever finds the local side full waits so long for files that are being sent, ms. */
  cacheRoomMs: 30_000,
} as const

/**
 * Bounds of what every layer uses: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const baseLimits = {
  /** Longest name of one directory entry, bytes: what Linux itself allows (NAME_MAX). */
  nameBytes: 255,
  /** Headers have to arrive in this time, ms; also the first ones of a connection. */
  apiHeadersMs: 10_000,
  /** Failures of one kind have one line of the log in this time, ms. */
  logRepeatMs: 60_000,
  /** Kinds of failures that a log tells apart at a time. */
  logKinds: 64,
  /**
   * Pages that one connection to a database keeps, KiB: every thread has two, and what is not there
   * is in the kernel's page cache. With four times as much a lookup is not faster.
   */
  databaseCacheKib: 4096,
  /** One FUSE request or reply, bytes of data: 256 pages, the most that the kernel does. */
  fuseRequestBytes: MIB,
  /** First wait before trying again, ms: above a round trip, below what a person notices. */
  retryBaseMs: 100,
  /** Longest wait between two tries, ms: a store that is back is noticed within half a minute. */
  retryMaxMs: 30_000,
} as const

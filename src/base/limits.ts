/**
 * Bounds of what all layers use: every queue, buffer, retry, cache and wait has one, with its unit
 * and its reason. `src/limits.ts` is the index of the bounds of all folders.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const baseLimits = {
  /** Longest name of a directory entry, bytes: NAME_MAX of Linux. */
  nameBytes: 255,
  /** Timeout of receiving the headers of a request, ms; also of the first one of a connection. */
  apiHeadersMs: 10_000,
  /** Time in which failures of one kind are logged once, ms. */
  logRepeatMs: 60_000,
  /** Kinds of failures that one log counts separately. */
  logKinds: 64,
  /**
   * Page cache of one database connection, KiB. Every thread has two, and other pages are in the
   * kernel's page cache. With four times as much a lookup is not faster.
   */
  databaseCacheKib: 4096,
  /** One FUSE request or reply, bytes of data: 256 pages, the kernel's maximum. */
  fuseRequestBytes: MIB,
  /** First wait before a retry, ms: above a round trip, below what a person notices. */
  retryBaseMs: 100,
  /** Longest wait between two retries, ms: a store that is back is used within half a minute. */
  retryMaxMs: 30_000,
} as const

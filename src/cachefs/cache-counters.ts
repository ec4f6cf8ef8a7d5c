/** Counters of a CacheFS since its creation, for dashboards and tests. */
export interface CacheCounters {
  /** Files and names that were served from the cache, and those that required the remote. */
  hits: number
  misses: number
  /** Revalidations of cached entries, and how many found the entry unchanged. */
  revalidations: number
  unchanged: number
  /**
   * Expired entries that were served during a revalidation or because the remote was unreachable.
   */
  stale: number
  fetchedBytes: number
  sentBytes: number
  /** Changes made at the remote, and changes that a later one superseded. */
  changes: number
  coalesced: number
  evictions: number
  conflicts: number
  errors: number
}

export function newCounters(): CacheCounters {
  return {
    hits: 0,
    misses: 0,
    revalidations: 0,
    unchanged: 0,
    stale: 0,
    fetchedBytes: 0,
    sentBytes: 0,
    changes: 0,
    coalesced: 0,
    evictions: 0,
    conflicts: 0,
    errors: 0,
  }
}

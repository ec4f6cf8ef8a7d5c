/** What a CacheFS has done since it was made: numbers for dashboards and tests. */
export interface CacheCounters {
  /** Files and names that were answered from here, and those that had to be asked for. */
  hits: number
  misses: number
  /** Questions to the remote about what was known already, and how many found it unchanged. */
  revalidations: number
  unchanged: number
  /** Answers that were too old, given while (or because) the remote could not be asked. */
  stale: number
  fetchedBytes: number
  sentBytes: number
  /** Changes made at the remote, and those that a later one made needless. */
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

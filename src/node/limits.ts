/**
 * Bounds of a running node and its operations. Every queue, buffer, retry, cache and wait has one,
 * with its unit and its reason. src/limits.ts is the index of all bounds.
 */
export const nodeLimits = {
  /** Chunks of one file that `explain` lists. */
  explainedChunks: 1000,
  /** Time for which the kernel caches names and attributes unless notified of a change, ms. */
  kernelCacheMs: 3_600_000,
  /** Interval of checkpoints of the coordinator's database, ms. */
  coordinatorCheckpointMs: 5_000,
  /** Time for the cloud to answer before an eviction, ms. */
  evictCloudMs: 10_000,
  /** Minimum interval of checks during an eviction that the cloud is reachable, ms. */
  evictCloudLookMs: 1000,
  /** Draining at a clean stop, ms; the remaining backlog is uploaded after the next start. */
  drainMs: 30_000,
  /** Trial start of the program that is to take over, ms. */
  programCheckMs: 20_000,
  /**
   * Time for which the kernel caches names and attributes of `cachefs mount`, ms, or the ttl if
   * shorter.
   */
  mountedKernelMs: 1_000,
  /** Smaller files are read through the daemon, bytes: setting up passthrough would cost more. */
  passthroughLeastBytes: 256 * 1024,
  /** Interval of checks whether a file that is waited for can still become durable, ms. */
  lostWaitLookMs: 1000,
} as const

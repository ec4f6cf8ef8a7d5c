/**
 * Bounds of a running node and its operations: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
export const nodeLimits = {
  /** Chunks that explain lists of one file. */
  explainedChunks: 1000,
  /** The kernel keeps names and attributes so long, ms, unless it is told of a change. */
  kernelCacheMs: 3_600_000,
  /** The coordinator's log of names goes into its database so often, ms. */
  coordinatorCheckpointMs: 5_000,
  /** The cloud has so long to answer before something is evicted, ms. */
  evictCloudMs: 10_000,
  /** While an eviction lasts, the cloud is looked for so often, ms. */
  evictCloudLookMs: 1000,
  /** Draining at a clean stop, ms, before the rest is left to the next start. */
  drainMs: 30_000,
  /** A program that is to take over is tried so long at most, ms. */
  programCheckMs: 20_000,
  /** The kernel of such a mount keeps names and attributes so long, ms, or the ttl if shorter. */
  mountedKernelMs: 1_000,
  /** Smaller files are read through the daemon: to tell the kernel of them costs more, bytes. */
  passthroughLeastBytes: 256 * 1024,
  /** Who waits for an upload is told so soon that it cannot come about, ms. */
  lostWaitLookMs: 1000,
} as const

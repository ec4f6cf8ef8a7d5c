/**
 * The part of limits.ts that is about calls to the cloud: read it there, as `limits`.
 */

export const cloudLimits = {
  /** Calls of one cloud tier under way at once, and its sockets: 128 MiB of chunks in memory. */
  cloudCallsAtOnce: 32,
  /** Until a connection to the cloud stands, ms: several round trips around the world. */
  cloudConnectMs: 10_000,
  /** Silence on a connection to the cloud, ms, before the call counts as lost. */
  cloudIdleMs: 30_000,
  /** One call to the cloud, ms, besides the time that its bytes may take (next line). */
  cloudCallMs: 60_000,
  /**
   * Until the answer to a read begins, ms: then it is asked for again on another connection. The
   * one that was under way when the network went stays silent long after the network is back.
   */
  cloudReadMs: 10_000,
  /** Slowest transfer that is waited for, bytes per ms (64 KB/s): below it, retrying is better. */
  cloudBytesPerMsMin: 64,
  /** Looking whether a cloud tier can be used, ms: somebody is watching the start. */
  cloudCheckMs: 15_000,
} as const

/**
 * Bounds of the HTTP APIs. Every queue, buffer, retry, cache and wait has one, with its unit and
 * its reason. src/limits.ts is the index of all bounds.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const httpLimits = {
  /** Paths in one request of wait, warm or evict. */
  pathsPerRequest: 1000,
  /** Request bodies other than files, bytes: a thousand long paths. */
  apiJsonBytes: 8 * MIB,
  /** Headers with the request line, bytes: a fully escaped path of 4095 bytes fits. */
  apiHeaderBytes: 16 * KIB,
  /** Lifetime of an idle connection, ms. */
  apiKeepAliveMs: 65_000,
  /** A whole request, ms, in addition to the time of the largest upload at the lowest rate. */
  apiRequestMs: 300_000,
  /**
   * Reading and discarding the rest of a refused request, ms: the client reads the response
   * afterwards.
   */
  apiLingerMs: 2_000,
  /** Concurrent long-running calls (wait, warm, evict); further ones get EAGAIN. */
  apiLongCalls: 64,
  /**
   * Interval at which a long-running call repeats its last line, ms: proxies time out after a
   * minute.
   */
  apiHeartbeatMs: 15_000,
  /** Time for requests in progress to end when the node stops, ms. */
  apiCloseMs: 5_000,
  /** Interval of closing idle connections while the node stops, ms. */
  apiClosePollMs: 50,
  /** Chunks in memory that are being sent to peers, or received from them, bytes. */
  peerServeBytes: 64 * MIB,
  peerHoldBytes: 64 * MIB,
  /** Bytes of a chunk sent in one piece: the progress of a transfer is known to that degree. */
  peerPieceBytes: 256 * KIB,
  /**
   * Pause of a transfer, or delay compared with the lowest rate between peers, at which it gives up
   * its memory if others wait for it, ms.
   */
  peerSlowMs: 1_000,
  /** Interval of looking for such transfers, ms. */
  peerSlowPollMs: 200,
} as const

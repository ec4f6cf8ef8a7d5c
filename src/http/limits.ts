/**
 * Bounds of the HTTP APIs: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const httpLimits = {
  /** Ranges in one request; more are answered with the whole file. */
  rangesPerRequest: 64,
  /** Paths in one request of wait, warm or evict. */
  pathsPerRequest: 1000,
  /** Bodies of the API other than files, bytes: a thousand long paths. */
  apiJsonBytes: 8 * MIB,
  /** Headers with the request line, bytes: a path of 4095 bytes, all escaped, fits. */
  apiHeaderBytes: 16 * KIB,
  /** Idle connections are kept so long, ms. */
  apiKeepAliveMs: 65_000,
  /** Silence on a connection with a request under way, ms: longer than any call to the cloud. */
  apiIdleMs: 180_000,
  /** A whole request, ms, besides the time that the largest upload may take at the slowest. */
  apiRequestMs: 300_000,
  /** What a refused client still sends is taken in so long, ms: it reads the answer after that. */
  apiLingerMs: 2_000,
  /** Connections at once; for further ones those make room that have no request under way. */
  apiConnections: 1024,
  /** Beyond them, while all have requests under way: for health and for other nodes. */
  apiReservedConnections: 128,
  /** Requests on one connection that wait for their turn; who sends more is cut off. */
  apiPipelined: 8,
  /** Long-running calls (wait, warm, evict) at once; further ones are told to come back. */
  apiLongCalls: 64,
  /** A long-running call repeats its last line so often, ms: proxies give up after a minute. */
  apiHeartbeatMs: 15_000,
  /** Versions of a file that is being replaced that are tried for one that stays. */
  apiVersionAttempts: 8,
  /** Requests under way may end in this time when the node stops, ms. */
  apiCloseMs: 5_000,
  /** Looking for connections that have become idle while the node stops, ms. */
  apiClosePollMs: 50,
  /** Characters of a listing that are sent in one piece. */
  listingPieceChars: 16 * KIB,
  /** Chunks that are being given to peers, or taken from them, bytes in memory. */
  peerServeBytes: 64 * MIB,
  peerHoldBytes: 64 * MIB,
} as const

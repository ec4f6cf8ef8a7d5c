/**
 * Bounds of the tiers (NVMe, peers, cloud): every queue, buffer, retry, cache and wait has one,
 * with its unit and its reason. `src/limits.ts` is the index of the bounds of all folders.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const tiersLimits = {
  /**
   * Backing files that one thread keeps open: three threads stay far below the 20,000 of a process.
   */
  backingDescriptors: 1024,
  /** Preallocated files: enough for a burst of new files while one checkpoint syncs. */
  preallocatedMost: 1024,
  /** Number of preallocated files at or below which more are made. */
  preallocatedLow: 512,
  /** Files preallocated in one step, after which the thread checks whether a checkpoint is due. */
  preallocationBatch: 16,
  /** Share of the free inodes that preallocated files may take, so that few free ones stay free. */
  preallocationShare: 0.01,
  /** Entries of `damaged/`, and bytes of its files: enough to examine, little of a disk. */
  damagedEntries: 256,
  damagedBytes: 1024 * MIB,
  /** Validity of a token between nodes, ms; it is renewed after half of that. */
  nodeTokenMs: 120_000,
  /** Largest difference of clocks, ms: nodes set theirs by the coordinator's, over a network. */
  nodeClockSkewMs: 30_000,
  /** Cached tokens, made or checked: one for each node. */
  nodeTokens: 8192,
  /** Nodes of one coordinator: each of them is sent the list of all. */
  peers: 4096,
  /** Interval between reports of a node, ms. */
  peerReportMs: 5_000,
  /** Time without a report after which a node is dropped from the list, ms. */
  peerStaleMs: 60_000,
  /** Longest URL of a node, bytes. */
  peerUrlBytes: 512,
  /** Bytes copied in one step from file to file: little memory, few steps. */
  copyBlockBytes: 256 * KIB,
  /** Longest object key, bytes: S3 and Azure accept 1024, of which the prefix has the rest. */
  objectKeyBytes: 768,
  /** Longest prefix of a tier's keys, bytes: 1024 together with a key and a slash. */
  objectPrefixBytes: 255,
  /** Largest object that is read or written whole, bytes: it is in memory. */
  objectBytes: 1024 * MIB,
  /** Connections to one peer at once: enough to hide the latency of small chunks. */
  peerConnections: 32,
  /** Timeout of connecting to a peer, ms: it is in the same network. */
  peerConnectMs: 2_000,
  /** Timeout of a call to a peer, ms, plus the time for its bytes (`peerBytesPerMsMin`). */
  peerCallMs: 10_000,
  /** The same if the peer may have to read from the cloud: longer than one call to the cloud. */
  peerOwnerCallMs: 90_000,
  /** Slowest transfer between peers before a timeout, bytes per ms (1 MB/s). */
  peerBytesPerMsMin: 1024,
  /** Latencies of peers from which the usual one is computed, and the fewest that suffice. */
  peerLatencySamples: 256,
  peerLatencySamplesMin: 16,
  /** Earliest time for a hedged read from a second peer, ms: a read from memory takes a few. */
  peerHedgeMinMs: 50,
  /** Earliest time for a hedged read from the cloud, ms: reading twice costs twice. */
  peerHedgeCloudMinMs: 1_000,
  /** Time of a hedged read while no usual latency is known, ms. */
  peerHedgeUnknownMs: 3_000,
  /** Latest time of a hedged read, whatever is usual, ms: well before the call itself times out. */
  peerHedgeMaxMs: 30_000,
  /** Time that a failing peer stays ejected, ms: at first, and at most if it goes on failing. */
  peerEjectionBaseMs: 1_000,
  peerEjectionMaxMs: 60_000,
  /** Hedged reads in a row that a peer may lose before that counts as a failure. */
  peerLossesInRow: 3,
  /** Peers whose failures are recorded: as many as a large cluster has nodes. */
  peersRemembered: 4096,
  /** Keys in one page of a listing: the maximum of S3. */
  cloudListPage: 1000,
  /**
   * Age at which temporary files of a folder that serves as cloud are removed after a crash, ms.
   */
  fileTierLeftoverMs: 3_600_000,
  /** Attempts to write an object into a folder that concurrent deletions remove again. */
  fileTierPlaceAttempts: 20,
  /** Calls of one cloud tier at once, and its sockets: 128 MiB of chunks in memory. */
  cloudCallsAtOnce: 32,
  /** Timeout of connecting to the cloud, ms: several round trips around the world. */
  cloudConnectMs: 10_000,
  /** Silence on a connection to the cloud after which a call fails, ms. */
  cloudIdleMs: 30_000,
  /** Timeout of a call to the cloud, ms, plus the time for its bytes (`cloudBytesPerMsMin`). */
  cloudCallMs: 60_000,
  /**
   * Timeout of the start of a response to a read, ms, after which it is retried on another
   * connection. A connection from before a network failure stays silent long after the network is
   * back.
   */
  cloudReadMs: 10_000,
  /** Slowest transfer before a timeout, bytes per ms (64 KB/s): below it, a retry is better. */
  cloudBytesPerMsMin: 64,
  /** Timeout of the check that a cloud tier is usable, ms: a person waits for the start. */
  cloudCheckMs: 15_000,
} as const

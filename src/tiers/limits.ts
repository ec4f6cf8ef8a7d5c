/**
 * Bounds of tiers: NVMe, peers, cloud: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const tiersLimits = {
  /** Backing files that one thread keeps open: three threads stay far below 20,000 a process. */
  backingDescriptors: 1024,
  /** Empty files made in advance: what a burst of new files takes while one checkpoint syncs. */
  preallocatedMost: 1024,
  /** More are made when so few are left. */
  preallocatedLow: 512,
  /** Made between two turns of their thread: a checkpoint may be due. */
  preallocationBatch: 16,
  /** Share of the free inodes that they may take: where few are free, there are none. */
  preallocationShare: 0.01,
  /** A token between nodes counts so long, ms; another is made after half of that. */
  nodeTokenMs: 120_000,
  /** Clocks may differ by so much, ms: all are set by the coordinator's, over a network. */
  nodeClockSkewMs: 30_000,
  /** Tokens that were made, or checked, and are remembered: one of each node. */
  nodeTokens: 8192,
  /** Changes that are kept for nodes that were away; one that missed more takes a whole copy. */
  changeLogEntries: 100_000,
  /** Nodes of one coordinator: what a list that is sent to each of them may hold. */
  peers: 4096,
  /** A node says how it is doing so often, ms. */
  peerReportMs: 5_000,
  /** And after so long it is not listed any more, ms. */
  peerStaleMs: 60_000,
  /** Longest URL of a node, bytes. */
  peerUrlBytes: 512,
  /** Bytes copied in one step from file to file: flat memory, few steps. */
  copyBlockBytes: 256 * KIB,
  /** Longest key of an object, bytes: S3 and Azure take 1024, the rest is for the prefix. */
  objectKeyBytes: 768,
  /** Longest prefix that a tier's keys live under, bytes: with a key it makes 1024. */
  objectPrefixBytes: 255,
  /** Largest object that is read or written in one piece, bytes: it is held in memory. */
  objectBytes: 1024 * MIB,
  /** Connections to one peer at once: enough to hide the latency of small chunks. */
  peerConnections: 32,
  /** Until a connection to a peer stands, ms: it is in the same network. */
  peerConnectMs: 2_000,
  /** One call to a peer, ms, besides the time that its bytes may take (two lines below). */
  peerCallMs: 10_000,
  /** The same where the peer may have to ask the cloud first: longer than one call to the cloud. */
  peerOwnerCallMs: 90_000,
  /** Slowest transfer between peers that is waited for, bytes per ms (1 MB/s). */
  peerBytesPerMsMin: 1024,
  /** Answers of peers that tell what is usual, and how few of them tell nothing yet. */
  peerLatencySamples: 256,
  peerLatencySamplesMin: 16,
  /** A second peer is asked no sooner than this, ms: an answer from memory takes a few. */
  peerHedgeMinMs: 50,
  /** The cloud is asked beside a peer no sooner than this, ms: reading twice is paid twice. */
  peerHedgeCloudMinMs: 1_000,
  /** While nothing is known of what is usual, a second source is asked after this, ms. */
  peerHedgeUnknownMs: 3_000,
  /** ... and after this, ms, however slow is usual: well before the call itself is given up. */
  peerHedgeMaxMs: 30_000,
  /** A failing peer is ejected for this long, ms: at first, and at most if it keeps failing. */
  peerEjectionBaseMs: 1_000,
  peerEjectionMaxMs: 60_000,
  /** Times in a row that a peer may lose against a second source before it counts as failing. */
  peerLossesInRow: 3,
  /** Peers whose failures are remembered: as many as a large cluster has nodes. */
  peersRemembered: 4096,
  /** Keys in one page of a listing: the most that S3 gives. */
  cloudListPage: 1000,
  /** Writes that a crash left half done in a directory that serves as cloud are swept after, ms. */
  fileTierLeftoverMs: 3_600_000,
  /** Tries to put an object into a folder that deletions keep taking away. */
  fileTierPlaceAttempts: 20,
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

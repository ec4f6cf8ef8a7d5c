/**
 * Bounds of the coordinator and its links: every queue, buffer, retry, cache and wait has one, with
 * its unit and its reason. `src/limits.ts` is the index of the bounds of all folders.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const coordinatorLimits = {
  /**
   * Validity of a node's metadata lease after the coordinator last heard from it, ms: the longest
   * that a change waits for a node that does not answer.
   */
  linkTtlMs: 10_000,
  /** Interval between renewals of the metadata lease, ms: three may be lost. */
  linkRenewMs: 2_500,
  /** Silence after which a node leaves a coordinator, if there are several, ms. */
  linkSilentMs: 4_000,
  /** Time that the kernel of a node with a coordinator caches attributes, ms. */
  linkKernelMs: 500,
  /** Changes that are sent to a node ahead of its confirmations. */
  linkWindow: 1000,
  /** One message of the link, bytes: a commit of the largest file that is open for weeks. */
  linkMessageBytes: 64 * MIB,
  /** Hello of a node: three lists of open inodes, and `locksPerSession` locks of 200 bytes. */
  linkHelloBytes: 16 * MIB,
  /** A list in a message, bytes: `openInodes` inodes of up to nine bytes; also of chunks. */
  linkListBytes: MIB,
  /** Any other message, bytes: numbers, and a few texts of `linkNameBytes`. */
  linkSmallBytes: 32 * KIB,
  /** Nesting of arrays and maps in a message from a node. */
  linkNesting: 16,
  /** Text in a message, bytes; the metadata rules have narrower bounds and their own errors. */
  linkNameBytes: 4096,
  /** Value of an extended attribute in a message, bytes; the rules have a narrower bound too. */
  linkValueBytes: 128 * KIB,
  /** Largest chunk size of a volume, bytes. */
  chunkBytesMost: 64 * MIB,
  /** Time per turn of the event loop for messages of nodes, ms: then other requests get a turn. */
  linkSliceMs: 20,
  /** A message with changes from the log that is kept for further nodes, bytes. */
  linkPageBytes: MIB,
  /** Data queued for one node, bytes; the link of a slower node is closed, and it reconnects. */
  linkBufferBytes: 128 * MIB,
  /** Nodes that joined a cluster and were not removed, in memory: some 200 bytes each. */
  nodeIdentities: 65_536,
  /** Interval between connection attempts of a node that the coordinator refuses, ms. */
  linkRefusedMs: 30_000,
  /** Timeout of connecting to the coordinator, ms. */
  linkConnectMs: 5_000,
  /** First and longest wait between attempts to connect to the coordinator, ms. */
  linkRetryBaseMs: 100,
  linkRetryMaxMs: 2_000,
  /** Timeout of an operation while no coordinator answers, ms. */
  linkOperationMs: 30_000,
  /** Operations of one node in progress at once; further ones fail with EAGAIN. */
  linkOperations: 4096,
  /** Time that a node keeps a write lease at least, ms: enough for one write. */
  leaseHoldMs: 20,
  /** Write leases of one node; beyond that the one it has had longest is recalled. */
  writeLeases: 100_000,
  /** Directories exclusive to one node; beyond that those that it has had longest are recalled. */
  exclusiveDomains: 16_384,
  /** Domains of which is recorded which nodes have dropped them, in memory: some 300 bytes each. */
  domainModes: 1_000_000,
  /** Hand-overs of a domain in so many ms after which nobody relies on it for a while. */
  handOvers: 4,
  handOverMs: 3_000,
  /** Attempts to take the domains of one operation, which others may move meanwhile. */
  footprintTries: 100,
  /** Changes kept for offline nodes; a node that missed more fetches a whole copy. */
  changeLogEntries: 100_000,
  /** The change log is trimmed to `changeLogEntries` each time so many changes were added. */
  changeLogTrim: 1000,
  /** Timeout of receiving a whole copy of the metadata, ms. */
  snapshotMs: 600_000,
  /** Interval between messages to all nodes about nodes that came, changed or left, ms. */
  peersTellMs: 200,
  /** Full lists of nodes sent in one go: more would delay all other work. */
  peersGreetedAtOnce: 64,
  /** Number of nodes up to which all receive the reports of all as often as these are made. */
  peersToldOften: 50,
  /** Time without a message after which a node is listed as silent, ms: several reports. */
  peerSilentMs: 15_000,
  /** Nodes that have left are listed: so many of the last ones, and for so long, ms: a month. */
  awayPeers: 256,
  awayPeerMs: 30 * 24 * 3_600_000,
  /** Interval between checks for silent nodes, ms; each check also saves reports. */
  peerSweepMs: 5_000,
  /** Chunks of a file that are examined for the nodes that have it. */
  locatedChunks: 10_000,
  /** Files whose announcements a coordinator caches, and nodes of each: some tens of MiB. */
  announcedFiles: 100_000,
  announcedPeers: 64,
  /**
   * Wait of a node that opens a file for writing, ms, until opens of other nodes have ended whose
   * close(2) has returned: until then the file cannot be mapped shared and writable.
   */
  writerCloseMs: 100,
  /** File locks (ranges) of one node at once, in memory on the coordinator: some 200 bytes each. */
  locksPerSession: 65_536,
  /** Requests of all nodes that wait for a file lock. */
  lockWaiters: 65_536,
  /** Lock owners examined in one search for a deadlock; the kernel itself examines 10. */
  lockDeadlockOwners: 1024,
} as const

/**
 * Bounds of the coordinator and its links: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const coordinatorLimits = {
  /**
   * A node believes its copy of the metadata so long after the coordinator last heard of it, ms:
   * how long a change waits at most for a node that does not answer.
   */
  linkTtlMs: 10_000,
  /** A node asks for that to be renewed so often, ms: three may be lost. */
  linkRenewMs: 2_500,
  /** Where there are several coordinators, one that is silent for so long is left, ms. */
  linkSilentMs: 4_000,
  /** The kernel of a node with a coordinator keeps attributes so long, ms. */
  linkKernelMs: 500,
  /** Changes that a node is sent before it confirmed earlier ones. */
  linkWindow: 1000,
  /** One message of the link, bytes: a commit of the largest file that is open for weeks. */
  linkMessageBytes: 64 * MIB,
  /** Hello of a node: three lists of open inodes, and `locksPerSession` locks of 200 bytes. */
  linkHelloBytes: 16 * MIB,
  /** A list of inodes in a message: `openInodes` numbers of up to nine bytes; also of chunks. */
  linkListBytes: MIB,
  /** Any other message: numbers, and a few texts of `linkNameBytes`. */
  linkSmallBytes: 32 * KIB,
  /** Arrays and maps of a message from a node, within each other. */
  linkNesting: 16,
  /** Text in it, bytes; rules have narrower bounds, and errors of their own for them. */
  linkNameBytes: 4096,
  /** Values of extended attributes in it, bytes; as above. */
  linkValueBytes: 128 * KIB,
  /** Largest chunk that a volume can have, bytes. */
  chunkBytesMost: 64 * MIB,
  /** What waits to be sent to one node, bytes; one that takes less is cut off and comes again. */
  linkBufferBytes: 128 * MIB,
  /** Nodes that ever joined a cluster and were not removed, in memory: some 200 bytes each. */
  nodeIdentities: 65_536,
  /** A node that the coordinator refuses asks again so often, ms. */
  linkRefusedMs: 30_000,
  /** A connection to the coordinator has to be made in this time, ms. */
  linkConnectMs: 5_000,
  /** Waits between attempts to reach the coordinator begin and end with, ms. */
  linkRetryBaseMs: 100,
  linkRetryMaxMs: 2_000,
  /** An operation waits so long for a coordinator that is away, ms. */
  linkOperationMs: 30_000,
  /** Operations of one node under way at once: further ones wait on the node. */
  linkOperations: 4096,
  /** A node that was given a file to write keeps it so long at least, ms: time for one write. */
  leaseHoldMs: 20,
  /** Files that one node alone may write at a time; the longest held goes back first. */
  writeLeases: 100_000,
  /** The log is cut to that after so many changes. */
  changeLogTrim: 1000,
  /** A whole copy of the metadata has to arrive in this time, ms. */
  snapshotMs: 600_000,
  /** Between two messages on nodes that came, changed or went, to all others, ms. */
  peersTellMs: 200,
  /** Whole lists that are sent in one go: more would hold up everything else. */
  peersGreetedAtOnce: 64,
  /** Up to so many nodes, all are told how all are doing as often as these report. */
  peersToldOften: 50,
  /** A node that was not heard of for so long is called silent, ms: it missed several reports. */
  peerSilentMs: 15_000,
  /** Nodes that have gone are remembered, the last so many, and so long, ms: a month. */
  awayPeers: 256,
  awayPeerMs: 30 * 24 * 3_600_000,
  /** Between two looks for silent nodes, each of which also saves reports, ms. */
  peerSweepMs: 5_000,
  /** Chunks of a file that are looked at for the nodes that hold it. */
  locatedChunks: 10_000,
  /** Files whose announcements a coordinator remembers, and nodes of each: some tens of MiB. */
  announcedFiles: 100_000,
  announcedPeers: 64,
  /**
   * A node that opens a file for writing waits so long, ms, for the end of opens of other nodes of
   * which close(2) has returned: until then it cannot be mapped shared and writable.
   */
  writerCloseMs: 100,
  /** File locks (ranges) of one node at once, in memory on the coordinator: some 200 bytes each. */
  locksPerSession: 65_536,
  /** Requests of all nodes that wait for a file lock. */
  lockWaiters: 65_536,
  /** Lock owners looked at for one deadlock; the kernel itself looks at 10. */
  lockDeadlockOwners: 1024,
} as const

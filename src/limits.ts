/**
 * Every bound of the system in one place, with its unit and its reason. Nothing is unbounded: a
 * queue, buffer, retry, cache or wait that is not listed here is a mistake.
 */

import { cloudLimits } from './cloud-limits.ts'
import { libraryLimits } from './library-limits.ts'
import { passthroughLimits } from './passthrough-limits.ts'
import { storeLimits } from './store-limits.ts'
import { transferLimits } from './transfer-limits.ts'

const KIB = 1024
const MIB = 1024 * KIB

export const limits = {
  ...libraryLimits,
  ...passthroughLimits,
  ...storeLimits,
  ...cloudLimits,
  ...transferLimits,
  /** Turns of open(2) with O_CREAT, while others make and remove the name again and again. */
  createAttempts: 16,
  /** Longest name of one directory entry, bytes: what Linux itself allows (NAME_MAX). */
  nameBytes: 255,
  /** Longest path or symlink target, bytes, including the final NUL (PATH_MAX). */
  pathBytes: 4096,
  /** Largest file, bytes: 16 TiB, as ext4; keeps every offset exact in a double. */
  fileBytes: 16 * 1024 * 1024 * MIB,
  /** Largest extended attribute value, bytes (XATTR_SIZE_MAX). */
  xattrValueBytes: 64 * KIB,
  /** All names of one inode's extended attributes, bytes (XATTR_LIST_MAX). */
  xattrListBytes: 64 * KIB,
  /** Backing files that one thread keeps open: three threads stay far below 20,000 a process. */
  backingDescriptors: 1024,
  /** Empty files made in advance: what a burst of new files takes while one checkpoint syncs. */
  spareFiles: 1024,
  /** More are made when so few are left. */
  spareFilesLow: 512,
  /** Made between two turns of their thread: a checkpoint may be due. */
  spareBatch: 16,
  /** Share of the free inodes that they may take: where few are free, there are none. */
  spareShare: 0.01,
  /** Chunks that explain lists of one file. */
  explainedChunks: 1000,
  /** The kernel keeps names and attributes so long, ms, unless it is told of a change. */
  kernelCacheMs: 3_600_000,
  /** Between looks at whether a process that got some signal is to stop, ms. */
  stopSignalLookMs: 100,
  /** What an interrupted request waits for may still come in this time, ms. */
  interruptGraceMs: 1_000,
  /**
   * A node believes its copy of the metadata so long after the coordinator last heard of it, ms:
   * how long a change waits at most for a node that does not answer.
   */
  linkTtlMs: 10_000,
  /** A node asks for that to be renewed so often, ms: three may be lost. */
  linkRenewMs: 2_500,
  /** Where there are several coordinators, one that is silent for so long is left, ms. */
  linkSilentMs: 4_000,
  /** Clocks of two machines may run apart by so much of the time above, a share. */
  linkClockDrift: 0.05,
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
  /** A token between nodes counts so long, ms; another is made after half of that. */
  nodeTokenMs: 120_000,
  /** Clocks may differ by so much, ms: all are set by the coordinator's, over a network. */
  nodeClockSkewMs: 30_000,
  /** Tokens that were made, or checked, and are remembered: one of each node. */
  nodeTokens: 8192,
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
  /** Changes that are kept for nodes that were away; one that missed more takes a whole copy. */
  changeLogEntries: 100_000,
  /** The log is cut to that after so many changes. */
  changeLogTrim: 1000,
  /** The coordinator's log of names goes into its database so often, ms. */
  coordinatorCheckpointMs: 5_000,
  /** Addresses of coordinators that a node is given. */
  coordinators: 16,
  /** Copies held for peers are compared with the metadata so often, ms. */
  heldSettleMs: 60_000,
  /** A whole copy of the metadata has to arrive in this time, ms. */
  snapshotMs: 600_000,
  /** Ranges in one request; more are answered with the whole file. */
  rangesPerRequest: 64,
  /** Paths in one request of wait, warm or evict. */
  pathsPerRequest: 1000,
  /** Bodies of the API other than files, bytes: a thousand long paths. */
  apiJsonBytes: 8 * MIB,
  /** Headers with the request line, bytes: a path of 4095 bytes, all escaped, fits. */
  apiHeaderBytes: 16 * KIB,
  /** Headers have to arrive in this time, ms; also the first ones of a connection. */
  apiHeadersMs: 10_000,
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
  /** The cloud has so long to answer before something is evicted, ms. */
  evictCloudMs: 10_000,
  /** While an eviction lasts, the cloud is looked for so often, ms. */
  evictCloudLookMs: 1000,
  /** Files that are named where many are meant. */
  namedFiles: 10,
  /** A long-running call repeats its last line so often, ms: proxies give up after a minute. */
  apiHeartbeatMs: 15_000,
  /** Versions of a file that is being replaced that are tried for one that stays. */
  apiVersionAttempts: 8,
  /** Failures of one kind have one line of the log in this time, ms. */
  logRepeatMs: 60_000,
  /** Kinds of failures that a log tells apart at a time. */
  logKinds: 64,
  /** Requests under way may end in this time when the node stops, ms. */
  apiCloseMs: 5_000,
  /** Looking for connections that have become idle while the node stops, ms. */
  apiClosePollMs: 50,
  /** Nodes of one coordinator: what a list that is sent to each of them may hold. */
  peers: 4096,
  /** A node says how it is doing so often, ms. */
  peerReportMs: 5_000,
  /** Between two messages on nodes that came, changed or went, to all others, ms. */
  peersTellMs: 200,
  /** Whole lists that are sent in one go: more would hold up everything else. */
  peersGreetedAtOnce: 64,
  /** Up to so many nodes, all are told how all are doing as often as these report. */
  peersToldOften: 50,
  /** A node that was not heard of for so long is called silent, ms: it missed several reports. */
  peerSilentMs: 15_000,
  /** And after so long it is not listed any more, ms. */
  peerStaleMs: 60_000,
  /** Nodes that have gone are remembered, the last so many, and so long, ms: a month. */
  awayPeers: 256,
  awayPeerMs: 30 * 24 * 3_600_000,
  /** Between two looks for silent nodes, each of which also saves reports, ms. */
  peerSweepMs: 5_000,
  /** Longest URL of a node, bytes. */
  peerUrlBytes: 512,
  /** Chunks of a file that are looked at for the nodes that hold it. */
  locatedChunks: 10_000,
  /** Files whose announcements a coordinator remembers, and nodes of each: some tens of MiB. */
  announcedFiles: 100_000,
  announcedPeers: 64,
  /** A change through the API is answered after so long, ms, though the kernel did not note it. */
  kernelNotifyMs: 5_000,
  /** A write is answered after so long, ms, though the kernel has not forgotten what it should. */
  kernelPagesMs: 20,
  /** Attributes of a file whose pages are about to go are looked at again after so long, ms. */
  pageDropLookMs: 1,
  /**
   * The kernel has taken in that a file was cut after so long, ms: it takes microseconds, where the
   * program gets to run.
   */
  cutHoldMs: 200,
  /** The end of an open file reaches this node so long after close(2) at most, as a rule, ms. */
  lockCloseMs: 20,
  /**
   * A node that opens a file for writing waits so long, ms, for the end of opens of other nodes of
   * which close(2) has returned: until then it cannot be mapped shared and writable.
   */
  writerCloseMs: 100,
  /** Symbolic links followed in one path: as Linux. */
  linksFollowed: 40,
  /** Bytes copied in one step from file to file: flat memory, few steps. */
  copyBlockBytes: 256 * KIB,
  /**
   * Bytes of an answer in memory until its client takes them: 72 MiB for as many connections as
   * there may be. With four times as much a fast client is no faster.
   */
  apiBlockBytes: 64 * KIB,
  /** Characters of a listing that are sent in one piece. */
  listingPieceChars: 16 * KIB,
  /** Directory entries read from the database at once: what one reply of 4 KiB may take. */
  directoryPage: 128,
  directoryPagePlus: 32,
  /** Inodes open at the same time: the size of a table in shared memory (144 bytes each). */
  openInodes: 65_536,
  /** Inodes whose chunk states a thread remembers, and chunks it remembers of each. */
  rememberedInodes: 4096,
  rememberedChunks: 8192,
  /** A use of a chunk is noted at most so often, ms: LRU needs no better, writes cost. */
  accessGranularityMs: 60_000,
  /** Optimistic reads before one is done under the inode's lock. */
  optimisticReads: 100,
  /** Numbers (inodes, chunk ids) that a thread reserves at once: one transaction in so many. */
  numberBlock: 1000,
  /**
   * Commits that nobody waits for are collected so long, ms: a burst of small files shares a
   * transaction, and the first upload comes much later.
   */
  groupCommitMs: 20,
  /** Files in one such transaction: a few ms, in which requests for one of them wait. */
  groupCommitFiles: 64,
  /** Files that wait for one; further ones are committed when they are closed. A power of two. */
  groupCommitQueue: 8192,
  /** Waiters look again after so long without news, ms. */
  progressLookMs: 1000,
  /** Share of the capacity that eviction goes down to. */
  evictTo: 0.9,
  /**
   * Chunks of the cache that should not be waiting for the cloud (half of a smaller cache): twice
   * what the requests that a kernel has under way by default, 12, touch at their worst.
   */
  looseChunks: 48,
  /** Chunks evicted between two looks at the disk. */
  evictBatch: 64,
  /** Writers wait so long for space that only the cloud can give, ms, then ENOSPC. */
  spaceWaitMs: 30_000,
  /**
   * Pages that one connection to a database keeps, KiB: every thread has two, and what is not there
   * is in the kernel's page cache. With four times as much a lookup is not faster.
   */
  databaseCacheKib: 4096,
  /**
   * Young objects of one thread of the daemon, MiB, in each of V8's semispaces: a thread that has
   * grown once keeps three of them. V8's own bound is many times as much.
   */
  semiSpaceMib: 2,
  /** Databases are looked through for damage at a start, up to so many bytes: some 0.1 s. */
  databaseCheckBytes: 32 * MIB,
  /** Write-ahead log of a database, bytes, beyond which writers wait for a checkpoint. */
  writeAheadLogBytes: 64 * MIB,
  /** Between two looks at the disk, the backlog and the databases, ms. */
  housekeepingMs: 1000,
  /** Between two looks for removed files whose descriptors keep their space, ms. */
  removedFilesMs: 250,
  /** Objects deleted from the cloud in one go, and at once. */
  trashBatch: 256,
  trashDeletes: 8,
  /** Draining at a clean stop, ms, before the rest is left to the next start. */
  drainMs: 30_000,
  /** Hard links to one inode: as ext4. */
  linksPerInode: 65_000,
  /** One FUSE request or reply, bytes of data: 256 pages, the most that the kernel does. */
  fuseRequestBytes: MIB,
  /** What the kernel may read ahead of a sequential reader, bytes: one request. */
  fuseReadaheadBytes: MIB,
  /** Requests nobody waits for (readahead, direct I/O) that the kernel keeps in flight. */
  fuseMaxBackground: 64,
  /** From so many of them on the kernel calls the mount congested: three quarters, as it does. */
  fuseCongestionThreshold: 48,
  /** Worker threads that answer one mount: more than the machine's cores never pays. */
  fuseWorkers: 64,
  /** Requests that wait for something slow at one time; further ones hold their worker back. */
  fuseWaitingRequests: 1024,
  /** Their bytes, KiB: writes that wait for room carry their data. */
  fuseWaitingKib: 256 * KIB,
  /** How long a worker is held back by the two bounds above before it answers EAGAIN, ms. */
  fuseHoldBackMs: 10_000,
  /**
   * Times one request may be satisfied and still find something missing: then it is a livelock.
   * More than may wait at once, for each of which another may take the room it waited for.
   */
  fuseSatisfyRounds: 10_000,
  /** Interrupts remembered for requests that did not arrive yet; most never will. */
  fuseEarlyInterrupts: 1024,
  /** Hints of workers that the main thread did not take yet; further ones are dropped. */
  fuseHintsInFlight: 65_536,
  /** Least pause before a daemon that died soon is replaced again, ms; twice that each time. */
  daemonBackoffMs: 100,
  daemonBackoffMaxMs: 5_000,
  /** A daemon that has served so long, ms, did not die of what its predecessor died of. */
  daemonSettledMs: 1_000,
  /** A program that is to take over is tried so long at most, ms. */
  programCheckMs: 20_000,
  /** It serves within this time, ms, or did not take over. */
  upgradeMs: 60_000,
  /** Daemons that may die one soon after the other; then the mount is given up. */
  daemonFailures: 10,
  /** A process that was killed may take so long, ms, to let go of its directory. */
  directoryLockMs: 1_000,
  /** Invalidations on their way to the kernel; further ones are refused. */
  fuseNotificationsInFlight: 65_536,
  /** Unexpected errors that one thread logs per second; the rest are counted. */
  fuseLoggedErrorsPerSecond: 20,
  /** Reading the kernel's INIT after the mount command has ended, ms. */
  fuseHandshakeMs: 10_000,
  /** mount, umount and sync commands, ms, before they are killed. */
  fuseCommandMs: 10_000,
  /** Looking whether an existing mount is alive, ms: a slow one counts as alive. */
  fuseProbeMs: 5_000,
  /** Unmounting waits so long for programs that use the mount, ms, then takes it from them. */
  fuseUnmountGraceMs: 3_000,
  /** Threads end so soon after their mount has gone, ms, or are terminated. */
  fuseThreadEndMs: 5_000,
  /** Dead mounts stacked on one mount point that are taken away at start. */
  fuseStaleMounts: 16,
  /** File locks (ranges) of one node at once, in memory on the coordinator: some 200 bytes each. */
  locksPerSession: 65_536,
  /** Requests of all nodes that wait for a file lock. */
  lockWaiters: 65_536,
  /** Requests of one node that wait for a file lock: half of all that may wait for something. */
  lockWaitersPerNode: 512,
  /** Counters by which threads know that no lock is held on an inode: 4 bytes each. */
  lockMarks: 4096,
  /** Lock owners looked at for one deadlock; the kernel itself looks at 10. */
  lockDeadlockOwners: 1024,
  /** First wait before trying again, ms: above a round trip, below what a person notices. */
  retryBaseMs: 100,
  /** Longest wait between two tries, ms: a store that is back is noticed within half a minute. */
  retryMaxMs: 30_000,
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
  peerHomeCallMs: 90_000,
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
  /** Peers that hold a chunk which are asked for it before its home is. */
  peerHoldersAsked: 2,
  /** A failing peer is put aside so long, ms: at first, and at most when it goes on failing. */
  peerAsideBaseMs: 1_000,
  peerAsideMaxMs: 60_000,
  /** Times in a row that a peer may lose against a second source before it counts as failing. */
  peerLossesInRow: 3,
  /** Peers whose failures are remembered: as many as a large cluster has nodes. */
  peersRemembered: 4096,
  /** Chunks that are being given to peers, or taken from them, bytes in memory. */
  peerServeBytes: 64 * MIB,
  peerHoldBytes: 64 * MIB,
  /** Share of the capacity that copies held for peers may take: the rest is for this node. */
  heldShare: 0.5,
  /** A copy that no reference names is kept so long, ms: its commit may still be on its way. */
  heldGraceMs: 3_600_000,
  /** Copies looked at in one go. */
  heldPage: 256,
  /** Nodes that a directory may ask for besides the writer: more would only slow every close. */
  durabilityPeers: 16,
  /** Chunks that one node gives to peers at once before a commit, and their bytes in memory. */
  copies: 16,
  copyBufferBytes: 64 * MIB,
  /**
   * A close waits so long for nodes that take its copies, ms, counted from the last one taken: a
   * node that restarts is back by then, and a node that waits for this file does not give up.
   */
  copiesWaitMs: 10_000,
  /** Between two looks whether more nodes are there, ms. */
  copiesLookMs: 500,
  /** Then for the cloud instead, while it takes nothing, ms; then close fails. */
  copiesCloudWaitMs: 10_000,
  /** Who reads what only nodes have waits so long, ms, for one that does not answer: a restart. */
  holderWaitMs: 5_000,
  /** A holder that is away for so long is replaced, and what it wrote is uploaded by others, ms. */
  holderGoneMs: 10_000,
  /** Between two looks who is there, ms. */
  holderLookMs: 2_500,
  /** Who holds what is looked through so often, ms, also where nobody came or went. */
  holderPassMs: 10_000,
  /** Chunks of which all is done again when a holder went, at once. */
  holderRepairs: 8,
  /** Files that are listed as missing: the first tell which node to bring back. */
  missingFiles: 1000,
  /** Different lists of holders that a receipt of one file reads. */
  receiptHolders: 256,
  /** Keys in one page of a listing: the most that S3 gives. */
  cloudListPage: 1000,
  /** Writes that a crash left half done in a directory that serves as cloud are swept after, ms. */
  fileTierLeftoverMs: 3_600_000,
  /** Tries to put an object into a folder that deletions keep taking away. */
  fileTierPlaceAttempts: 20,
} as const

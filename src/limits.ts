/**
 * Every bound of the system in one place, with its unit and its reason. Nothing is unbounded: a
 * queue, buffer, retry, cache or wait that is not listed here is a mistake.
 */

const KIB = 1024
const MIB = 1024 * KIB

export const limits = {
  /** Longest name of one directory entry, bytes: what Linux itself allows (NAME_MAX). */
  nameBytes: 255,
  /** Longest path or symlink target, bytes, including the final NUL (PATH_MAX). */
  pathBytes: 4096,
  /** Largest file, bytes: 16 TiB, as ext4 with 4 KiB blocks; keeps every offset exact in a double. */
  fileBytes: 16 * 1024 * 1024 * MIB,
  /** Largest extended attribute value, bytes (XATTR_SIZE_MAX). */
  xattrValueBytes: 64 * KIB,
  /** All names of one inode's extended attributes, bytes (XATTR_LIST_MAX). */
  xattrListBytes: 64 * KIB,
  /** Backing files that one thread keeps open: three threads stay far below 20,000 a process. */
  backingDescriptors: 1024,
  /** Inodes open at the same time: the size of a table in shared memory (88 bytes each). */
  openInodes: 65_536,
  /** Inodes whose chunk states a thread remembers, and chunks it remembers of each. */
  rememberedInodes: 4096,
  rememberedChunks: 8192,
  /** A use of a chunk is noted at most so often, seconds: LRU needs no better, writes cost. */
  accessGranularitySeconds: 60,
  /** Optimistic reads before one is done under the inode's lock. */
  optimisticReads: 100,
  /** Numbers (inodes, chunk ids) that a thread reserves at once: one transaction in so many. */
  numberBlock: 1000,
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
  /** Times one request may be satisfied and still find something missing: then it is a livelock. */
  fuseSatisfyRounds: 100,
  /** Interrupts remembered for requests that did not arrive yet; most never will. */
  fuseEarlyInterrupts: 1024,
  /** Hints of workers that the main thread did not take yet; further ones are dropped. */
  fuseHintsInFlight: 65_536,
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
  /** First wait before trying again, ms: above a round trip, below what a person notices. */
  retryBaseMs: 100,
  /** Longest wait between two tries, ms: a store that is back is noticed within half a minute. */
  retryMaxMs: 30_000,
} as const

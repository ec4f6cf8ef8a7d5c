/**
 * Bounds of the FUSE connection: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const fuseLimits = {
  /** Between looks at whether a process that got some signal is to stop, ms. */
  stopSignalLookMs: 100,
  /** What an interrupted request waits for may still come in this time, ms. */
  interruptGraceMs: 1_000,
  /** What the kernel may read ahead of a sequential reader, bytes: one request. */
  fuseReadaheadBytes: MIB,
  /** Requests nobody waits for (readahead, direct I/O) that the kernel keeps in flight. */
  fuseMaxBackground: 64,
  /** From so many of them on the kernel calls the mount congested: three quarters, as it does. */
  fuseCongestionThreshold: 48,
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
  fuseResolveRounds: 10_000,
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
} as const

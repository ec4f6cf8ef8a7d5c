/**
 * Bounds of the FUSE connection: every queue, buffer, retry, cache and wait has one, with its unit
 * and its reason. `src/limits.ts` is the index of the bounds of all folders.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const fuseLimits = {
  /** Interval between checks whether a process with a pending signal is to stop, ms. */
  stopSignalLookMs: 100,
  /** Grace period of an interrupted request, ms: what it waits for may still arrive. */
  interruptGraceMs: 1_000,
  /**
   * The same for a request that has made its changes, ms: EINTR would let the program repeat them.
   */
  changedGraceMs: 5_000,
  /** Readahead of the kernel for a sequential reader, bytes: one request. */
  fuseReadaheadBytes: MIB,
  /** Background requests (readahead, direct I/O) that the kernel keeps in flight. */
  fuseMaxBackground: 64,
  /** Background requests from which the kernel counts the mount as congested: 3/4, its default. */
  fuseCongestionThreshold: 48,
  /** Suspended requests at once; for further ones the worker waits. */
  fuseWaitingRequests: 1024,
  /** Bytes of suspended requests, KiB: writes that wait for space carry their data. */
  fuseWaitingKib: 256 * KIB,
  /** Wait of a worker because of the two bounds above, ms; then it answers EAGAIN. */
  fuseHoldBackMs: 10_000,
  /**
   * Resolved wait conditions of one request; more are taken for a livelock. It is more than the
   * requests that may wait at once, each of which may take the space that another waited for.
   */
  fuseResolveRounds: 10_000,
  /** Interrupts stored for requests that have not arrived yet; most of these never will. */
  fuseEarlyInterrupts: 1024,
  /** Hints of workers that the main thread has not handled yet; further ones are dropped. */
  fuseHintsInFlight: 65_536,
  /** Invalidations in flight to the kernel; further ones are refused. */
  fuseNotificationsInFlight: 65_536,
  /** Unexpected errors that one thread logs per second; the rest are counted. */
  fuseLoggedErrorsPerSecond: 20,
  /** Timeout of reading the kernel's INIT after the mount command has ended, ms. */
  fuseHandshakeMs: 10_000,
  /** Timeout of mount, umount and sync commands, ms; they are killed then. */
  fuseCommandMs: 10_000,
  /** Timeout of probing an existing mount, ms: a slow one counts as alive. */
  fuseProbeMs: 5_000,
  /** Wait of an unmount for programs that use the mount, ms; then it is detached from them. */
  fuseUnmountGraceMs: 3_000,
  /** Wait for worker threads to end after the mount is gone, ms; then they are terminated. */
  fuseThreadEndMs: 5_000,
  /** Dead mounts stacked on one mount point that are removed at start. */
  fuseStaleMounts: 16,
} as const

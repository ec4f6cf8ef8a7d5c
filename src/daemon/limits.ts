/**
 * Bounds of the supervisor and its daemon: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
export const daemonLimits = {
  /**
   * Young objects of one thread of the daemon, MiB, in each of V8's semispaces: a thread that has
   * grown once keeps three of them. V8's own bound is many times as much.
   */
  semiSpaceMib: 2,
  /** Least pause before a daemon that died soon is replaced again, ms; twice that each time. */
  daemonBackoffMs: 100,
  daemonBackoffMaxMs: 5_000,
  /** A daemon that has served so long, ms, did not die of what its predecessor died of. */
  daemonSettledMs: 1_000,
  /** A daemon that takes over for `cachefs upgrade` serves within this time, ms. */
  upgradeMs: 60_000,
  /** Daemons that may die one soon after the other; then the mount is given up. */
  daemonFailures: 10,
} as const

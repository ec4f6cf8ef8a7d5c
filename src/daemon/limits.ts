/**
 * Bounds of the supervisor and its daemon. Every queue, buffer, retry, cache and wait has one, with
 * its unit and its reason. src/limits.ts is the index of all bounds.
 */
export const daemonLimits = {
  /**
   * Size of each semispace (young objects) of V8, per thread of the daemon, MiB. A thread that has
   * once grown keeps three of them. V8's own bound is many times as large.
   */
  semiSpaceMib: 2,
  /** Pause before a daemon that died soon is replaced again, ms; doubles with each failure. */
  daemonBackoffMs: 100,
  daemonBackoffMaxMs: 5_000,
  /** A daemon that served longer than this, ms, resets the count of failures. */
  daemonSettledMs: 1_000,
  /** Time in which a daemon started by `cachefs upgrade` must serve, ms. */
  upgradeMs: 60_000,
  /** Daemons that may die soon after each other before the mount is given up. */
  daemonFailures: 10,
} as const

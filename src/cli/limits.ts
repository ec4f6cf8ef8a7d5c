/** Bounds of the command line, with units and reasons. */
export const cliLimits = {
  /** It serves within this time, ms, or did not take over. */
  upgradeMs: 60_000,
} as const

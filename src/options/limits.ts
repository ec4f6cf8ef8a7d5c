/**
 * Bounds of flags and the environment. Every queue, buffer, retry, cache and wait has one, with its
 * unit and its reason. src/limits.ts is the index of all bounds.
 */
export const optionsLimits = {
  /** Coordinator addresses that a node accepts. */
  coordinators: 16,
} as const

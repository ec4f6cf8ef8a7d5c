/**
 * Bounds of flags and the environment: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
export const optionsLimits = {
  /** Addresses of coordinators that a node is given. */
  coordinators: 16,
} as const

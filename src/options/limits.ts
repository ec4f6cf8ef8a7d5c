/** Bounds of flags and the environment, with units and reasons. */
export const optionsLimits = {
  /** Addresses of coordinators that a node is given. */
  coordinators: 16,
} as const

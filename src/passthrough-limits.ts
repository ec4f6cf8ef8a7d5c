/**
 * The part of limits.ts that is about files which the kernel reads by itself: read it there, as
 * `limits`.
 */

export const passthroughLimits = {
  /** Share of the capacity that such files may have while they are open: none of it is evicted. */
  passedShare: 0.5,
  /** Smaller files are read through the daemon: to tell the kernel of them costs more, bytes. */
  passedLeastBytes: 256 * 1024,
  /** Clocks of file systems stand still for so long, ms: what changed in it may not show. */
  fileClockMs: 50,
} as const

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
  /**
   * The kernel is to write files by itself only where so many bytes are free, of the disk, and free
   * or to be freed, of the capacity: what it writes is seen once a second, and it cannot be made
   * to wait.
   */
  kernelWriteRoomBytes: 4 * 1024 * 1024 * 1024,
  /**
   * So many files may begin to be written by the kernel at once, and one more in so many ms: it
   * takes 70 µs each, which is nothing for large files, and too much for thousands of small ones.
   */
  kernelWriteBurst: 8,
  kernelWriteEveryMs: 20,
  /** Files that are open so long that they are committed meanwhile: larger ones are not, bytes. */
  kernelWriteLookBytes: 1024 * 1024 * 1024,
  /** Share of the time that looking for what changed in them may take. */
  kernelWriteLookShare: 0.05,
} as const

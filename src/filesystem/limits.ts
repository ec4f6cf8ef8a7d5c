/**
 * Bounds of the file systems of the library: every queue, buffer, retry, cache and wait has
 * one, with its unit and its reason. src/limits.ts is the index of all of them.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const filesystemLimits = {
  /** Longest path or symlink target, bytes, including the final NUL (PATH_MAX). */
  pathBytes: 4096,
  /** Largest file, bytes: 16 TiB, as ext4; keeps every offset exact in a double. */
  fileBytes: 16 * 1024 * 1024 * MIB,
  /** Symbolic links followed in one path: as Linux. */
  linksFollowed: 40,
  /** Directory entries read from the database at once: what one reply of 4 KiB may take. */
  directoryPage: 128,
  directoryPagePlus: 32,
  /** Bytes of a file that a stream reads at once: few calls, little memory. */
  fileReadBytes: 256 * KIB,
  /** A page of a file in memory, bytes: sparse files take memory by the page. */
  memoryPageBytes: 64 * KIB,
  /** Largest file that is kept in memory, bytes: a Map of pages slows down far above it. */
  memoryFileBytes: 64 * 1024 * MIB,
  /** Files open at once in a mounted CacheFS: descriptors of a process that has 20,000. */
  mountedHandles: 16_384,
  /** What an open object is read in, bytes: one round trip for a reader of parts. */
  objectWindowBytes: MIB,
  /** What an open object may hold in memory until it is written, bytes; a stream has no bound. */
  objectSpoolBytes: 256 * MIB,
  /** Larger objects go up in parts of so many bytes, held in memory; S3 wants 5 MiB at least. */
  objectPartBytes: 8 * MIB,
  /** A larger object is copied in parts of so many bytes, each of which takes S3 some seconds. */
  objectCopyBytes: 512 * MIB,
  /** Parts of one object that go up, or are copied, at once. */
  objectPartsAtOnce: 4,
} as const

/**
 * Bounds of the library's file systems: every queue, buffer, retry, cache and wait has one, with
 * its unit and its reason. `src/limits.ts` is the index of the bounds of all folders.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const filesystemLimits = {
  /** Longest path or symlink target, bytes, including the final NUL (PATH_MAX). */
  pathBytes: 4096,
  /** Largest file, bytes: 16 TiB, as ext4; every offset is exact in a double. */
  fileBytes: 16 * 1024 * 1024 * MIB,
  /** Symbolic links followed in one path: as Linux. */
  linksFollowed: 40,
  /** Directory entries read from the database at once: what fits into one reply of 4 KiB. */
  directoryPage: 128,
  directoryPagePlus: 32,
  /** Bytes of a file that a stream reads at once: few calls, little memory. */
  fileReadBytes: 256 * KIB,
  /** Silence on a connection with a request in progress, ms: longer than any call to the cloud. */
  apiIdleMs: 180_000,
  /** Concurrent connections; at the limit, the longest idle one is closed for a new one. */
  apiConnections: 1024,
  /** Connections beyond that while all are busy: for health checks and other nodes. */
  apiReservedConnections: 128,
  /** Unanswered requests on one connection; a client that pipelines more is disconnected. */
  apiPipelined: 8,
  /** Ranges in one HTTP request; a request with more is answered with the whole file. */
  rangesPerRequest: 64,
  /** Attempts to read one version of a file that is being replaced. */
  versionAttempts: 8,
  /** Characters of a directory listing sent in one piece. */
  listingPieceChars: 16 * KIB,
  /** Body of a request to a `FileServer` that names an operation, bytes: two paths, escaped. */
  operationBytes: 64 * KIB,
  /** Page of a file in memory, bytes: sparse files take memory by the page. */
  memoryPageBytes: 64 * KIB,
  /** Largest file in memory, bytes: a Map of pages slows down far above it. */
  memoryFileBytes: 64 * 1024 * MIB,
  /** Files open at once in a mounted CacheFS, of the 20,000 descriptors of a process. */
  mountedHandles: 16_384,
  /** Bytes of an open object that are read at once: one round trip for a reader of parts. */
  objectWindowBytes: MIB,
  /** Memory of an open object until it is written, bytes; a stream has no bound. */
  objectSpoolBytes: 256 * MIB,
  /** Part size of larger uploads, bytes, held in memory; S3 requires at least 5 MiB. */
  objectPartBytes: 8 * MIB,
  /** Part size of copies of larger objects, bytes; each part takes S3 some seconds. */
  objectCopyBytes: 512 * MIB,
  /** Parts of one object that are uploaded, or copied, at once. */
  objectPartsAtOnce: 4,
} as const

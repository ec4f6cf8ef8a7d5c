/**
 * The bounds of what moves chunks between this node, its peers and the cloud: a part of `limits`,
 * where the rest of the system finds them.
 */

const KIB = 1024
const MIB = 1024 * KIB

export const transferLimits = {
  /** A chunk that waits for its upload has its CRC-32 taken after so long, ms: most are gone. */
  checksumAfterMs: 1500,
  /** Clean chunks that are read again to find damage, bytes per ms: 8 MiB/s, below one per cent. */
  scrubBytesPerMs: 8 * KIB,
  /** All of a small cache is read again so often, ms. */
  scrubPassMs: 5_000,
  /** Chunks between two notes of how far that has come. */
  scrubPage: 64,
  /** Damaged chunks that were only here, of which the bytes are kept. */
  damagedKept: 256,
  /** What the API gives is compared with its checksum again after so long, ms. */
  intactMs: 60_000,
  /** Chunks of which that is remembered. */
  intactChunks: 4096,
  /** A chunk that cannot be read from this node's disk is lost after so many tries. */
  lostLooks: 3,
  /** Who waits for an upload is told so soon that it cannot come about, ms. */
  lostWaitLookMs: 1000,
  /** Chunks that are lost are compared with the metadata so often, ms: some are replaced. */
  lostLookMs: 60_000,
  /** Chunks on their way to the cloud at once: hides the latency of small ones. */
  uploads: 32,
  /** Their bytes in memory: 16 chunks of 4 MiB. */
  uploadBufferBytes: 64 * MIB,
  /** A chunk of up to so many bytes that is to be uploaded is read without another thread. */
  readAtOnceBytes: 64 * KIB,
  /** Uploads that have ended are noted together, so many: writers wait a millisecond for that. */
  uploadGroup: 64,
  /** One that has ended waits so long for others, ms, unless somebody waits for uploads. */
  uploadGroupMs: 20,
  /** Uploads that have ended and are not noted; beyond, one that ends keeps its place. */
  uploadsEnded: 512,
  /** A chunk is uploaded so long after its commit, ms, unless awaited: much is short-lived. */
  uploadSettleMs: 1000,
  /** Between two looks at chunks that have not settled, ms. */
  uploadLookMs: 100,
  /** Journal rows read at once. */
  uploadBatch: 256,
  /** First wait after a failed upload, ms. */
  uploadRetryBaseMs: 500,
  /** Attempts per minute while the cloud fails: enough to notice that it is back. */
  failedUploadsPerMinute: 60,
  /** Bytes of chunks being fetched, in memory. */
  downloadBufferBytes: 64 * MIB,
  /** Of those, chunks that come from the cloud, for readers here and for peers. */
  cloudBufferBytes: 64 * MIB,
  /** Tries to fetch a chunk that somebody waits for, before the reader is told EIO. */
  downloadAttempts: 4,
  /** Of the first of these, what nobody waits for yet: who does never waits for all of that. */
  readaheadBufferBytes: 48 * MIB,
  /** Of the second, what stays free of chunks that a home gets before anybody asks for them. */
  unpreparedBufferBytes: 16 * MIB,
  /** Chunks fetched ahead of one sequential reader; for each node of the cluster, up to so many. */
  readaheadChunks: 12,
  readaheadNodes: 8,
  /** A chunk of which more than one part in so many was asked for in ranges is fetched whole. */
  rangeShare: 8,
  /** Chunks of which is known how much of them came so. */
  rangedChunks: 4096,
  /** Sequential readers that are followed at once. */
  readaheadStreams: 1024,
} as const

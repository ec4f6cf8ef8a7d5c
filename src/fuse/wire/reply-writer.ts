/**
 * Encodes a reply: `fuse_out_header` (16 bytes), then the payload of its opcode. The buffer is
 * allocated once; the file system reads data directly behind the header, so a reply is sent with
 * one write and no copy. Each `put...` method returns the number of payload bytes. Seconds are
 * signed 64-bit numbers: both words are taken modulo 2^32, which is exact to +-2^53.
 */
import { LOCK_END, type FileLock } from '../../base/file-lock.ts'
import type {
  Attributes,
  FileSystemStatistics,
  Opened,
} from '../../filesystem/inode-file-system.ts'
import { FOPEN, LOCK_TYPES } from './wire-flags.ts'

export const REPLY_HEADER_BYTES = 16
export const ENTRY_BYTES = 128
const ATTRIBUTES_BYTES = 88

const TWO_32 = 4294967296
const HEADER_WORDS = REPLY_HEADER_BYTES / 4
const OPENED_BYTES = 16
const STATISTICS_BYTES = 80
const LOCK_BYTES = 24
const OFFSET_MAX = 2n ** 63n - 1n
const ATTRIBUTES_REPLY_BYTES = 16 + ATTRIBUTES_BYTES
/** Preferred I/O size in stat(2); also the unit of the page cache. */
const BLOCK_BYTES = 4096

const S_IFMT = 0o170000
const S_IFREG = 0o100000
const SET_ID_BITS = 0o6000

/** How long the kernel may cache a reply, in the format of the protocol. */
export interface Validity {
  readonly sec: number
  readonly nsec: number
}

/** Converts milliseconds; Infinity becomes the largest value that the kernel accepts. */
export function validityOf(ms: number): Validity {
  const clamped = Math.min(Math.max(ms, 0), 2 ** 31 * 1000)
  const sec = Math.floor(clamped / 1000)
  return { sec, nsec: Math.floor((clamped - sec * 1000) * 1e6) }
}

/** The reply is not cached. */
const UNCACHED = validityOf(0)

/** Writes clear these bits without a notification, so the kernel must not cache the attributes. */
function hasSetId({ mode }: Attributes): boolean {
  return (mode & S_IFMT) === S_IFREG && (mode & SET_ID_BITS) !== 0
}

export class ReplyWriter {
  readonly bytes: Buffer
  readonly #words: Uint32Array
  /** Latest view from `target`: sequential reads request the same size repeatedly. */
  #target: Buffer

  constructor(payloadBytes: number) {
    const memory = new ArrayBuffer((REPLY_HEADER_BYTES + payloadBytes + 7) & ~7)
    this.bytes = Buffer.from(memory)
    this.#words = new Uint32Array(memory)
    this.#target = this.bytes.subarray(REPLY_HEADER_BYTES)
  }

  get capacity(): number {
    return this.bytes.length - REPLY_HEADER_BYTES
  }

  header(length: number, error: number, uniqueLow: number, uniqueHigh: number): void {
    const words = this.#words
    words[0] = length
    words[1] = error
    words[2] = uniqueLow
    words[3] = uniqueHigh
  }

  /** View for `sizeBytes` bytes of payload. */
  target(sizeBytes: number): Buffer {
    if (this.#target.length !== sizeBytes) {
      this.#target = this.bytes.subarray(REPLY_HEADER_BYTES, REPLY_HEADER_BYTES + sizeBytes)
    }
    return this.#target
  }

  u16(at: number, value: number): void {
    this.bytes.writeUInt16LE(value, REPLY_HEADER_BYTES + at)
  }

  u32(at: number, value: number): void {
    this.#words[HEADER_WORDS + (at >> 2)] = value
  }

  u64(at: number, value: number): void {
    const word = HEADER_WORDS + (at >> 2)
    this.#words[word] = value
    this.#words[word + 1] = Math.floor(value / TWO_32)
  }

  zero(at: number, sizeBytes: number): void {
    this.bytes.fill(0, REPLY_HEADER_BYTES + at, REPLY_HEADER_BYTES + at + sizeBytes)
  }

  putData(data: Uint8Array): number {
    this.bytes.set(data, REPLY_HEADER_BYTES)
    return data.length
  }

  /** `fuse_attr`. */
  attributes(at: number, a: Attributes): void {
    this.u64(at, a.ino)
    this.u64(at + 8, a.size)
    this.u64(at + 16, a.blocks)
    this.u64(at + 24, a.atimeSec)
    this.u64(at + 32, a.mtimeSec)
    this.u64(at + 40, a.ctimeSec)
    const words = this.#words
    const word = HEADER_WORDS + (at >> 2)
    words[word + 12] = a.atimeNsec
    words[word + 13] = a.mtimeNsec
    words[word + 14] = a.ctimeNsec
    words[word + 15] = a.mode
    words[word + 16] = a.nlink
    words[word + 17] = a.uid
    words[word + 18] = a.gid
    words[word + 19] = a.rdev
    words[word + 20] = BLOCK_BYTES
    words[word + 21] = 0
  }

  /**
   * `fuse_entry_out`: the inode number is the node id; it is never reused, so the generation is 0.
   */
  entry(at: number, a: Attributes, entry: Validity, attributesFor: Validity): void {
    const attributes = hasSetId(a) ? UNCACHED : attributesFor
    this.u64(at, a.ino)
    this.u64(at + 8, 0)
    this.u64(at + 16, entry.sec)
    this.u64(at + 24, attributes.sec)
    this.u32(at + 32, entry.nsec)
    this.u32(at + 36, attributes.nsec)
    this.attributes(at + 40, a)
  }

  putEntry(a: Attributes, entry: Validity, attributes: Validity): number {
    this.entry(0, a, entry, attributes)
    return ENTRY_BYTES
  }

  /** The name does not exist; the kernel may cache that. */
  putNegativeEntry(entry: Validity): number {
    this.zero(0, ENTRY_BYTES)
    this.u64(16, entry.sec)
    this.u32(32, entry.nsec)
    return ENTRY_BYTES
  }

  putAttributes(a: Attributes, validityFor: Validity): number {
    const validity = hasSetId(a) ? UNCACHED : validityFor
    this.u64(0, validity.sec)
    this.u32(8, validity.nsec)
    this.u32(12, 0)
    this.attributes(16, a)
    return ATTRIBUTES_REPLY_BYTES
  }

  /** `fuse_open_out` at byte `at`: 0, or after the entry in the reply to CREATE. */
  putOpened(at: number, opened: Opened): number {
    this.u64(at, opened.handle)
    this.u32(
      at + 8,
      (opened.directIo === true ? FOPEN.DIRECT_IO : 0) |
        (opened.keepCache === true ? FOPEN.KEEP_CACHE : 0) |
        (opened.cacheDirectory === true ? FOPEN.CACHE_DIR : 0) |
        (opened.noFlush === true ? FOPEN.NOFLUSH : 0) |
        (opened.backing === undefined ? 0 : FOPEN.PASSTHROUGH),
    )
    this.u32(at + 12, opened.backing ?? 0)
    return at + OPENED_BYTES
  }

  putStatistics(s: FileSystemStatistics): number {
    this.zero(0, STATISTICS_BYTES)
    this.u64(0, s.blocks)
    this.u64(8, s.blocksFree)
    this.u64(16, s.blocksAvailable)
    this.u64(24, s.files)
    this.u64(32, s.filesFree)
    this.u32(40, s.blockSize)
    this.u32(44, s.nameMax)
    this.u32(48, s.blockSize)
    return STATISTICS_BYTES
  }

  /** A 32-bit number and padding: bytes written, or the size of an extended attribute. */
  putU32(value: number): number {
    this.u32(0, value)
    this.u32(4, 0)
    return 8
  }

  /** `fuse_lk_out`: the conflicting lock, or type `unlock` if there is none. */
  putLock(lock: FileLock | undefined): number {
    this.zero(0, LOCK_BYTES)
    this.u32(16, LOCK_TYPES.indexOf(lock?.type ?? 'unlock'))
    if (lock === undefined) return LOCK_BYTES
    this.u64(0, lock.start)
    this.u64(8, lock.end)
    // The end of the file is OFFSET_MAX, which a double cannot represent.
    if (lock.end === LOCK_END) this.bytes.writeBigInt64LE(OFFSET_MAX, REPLY_HEADER_BYTES + 8)
    this.u32(20, lock.pid)
    return LOCK_BYTES
  }

  putU64(value: number): number {
    this.u64(0, value)
    return 8
  }
}

/**
 * Decodes a request: `fuse_in_header` (40 bytes), then the body of its opcode.
 *
 * A worker reads each request into the same buffer; the main thread decodes a request in the memory
 * that a worker transferred. Names are copies and may be kept. Data is borrowed
 * (base/borrowed-bytes.ts) and valid until the next request. All structures are padded to 8 bytes
 * and in host byte order, so 32-bit words are read through a typed array (several times faster than
 * a DataView). 64-bit numbers become doubles: exact to 2^53, which covers all inodes, handles and
 * offsets that this system assigns; larger numbers stay larger than any limit. `unique` is an
 * exception: the kernel may set its top bit, and replies return it as two words.
 */
import { endianness } from 'node:os'
import type { BorrowedBytes } from '../../base/borrowed-bytes.ts'
import { FsError } from '../../base/fs-error.ts'
import { baseLimits } from '../../base/limits.ts'

export const REQUEST_HEADER_BYTES = 40

const HEADER_WORDS = REQUEST_HEADER_BYTES / 4
const TWO_32 = 4294967296
/** Bit of the upper word of `unique` in a request that the kernel resends. */
const RESEND_BIT = 0x80000000

if (endianness() !== 'LE')
  throw new Error('the FUSE protocol is implemented for little-endian hosts')

export class RequestReader {
  #bytes: Uint8Array<ArrayBuffer>
  #words: Uint32Array

  constructor(sizeBytes: number) {
    const memory = new ArrayBuffer(padded(sizeBytes))
    this.#bytes = new Uint8Array(memory)
    this.#words = new Uint32Array(memory)
  }

  /** Buffer into which requests are read. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes
  }

  get length(): number {
    return this.#words[0]!
  }

  get opcode(): number {
    return this.#words[1]!
  }

  get uniqueLow(): number {
    return this.#words[2]!
  }

  get uniqueHigh(): number {
    return this.#words[3]!
  }

  /** `unique` as a number, which stays the same when the request is resent. */
  get unique(): number {
    return this.#words[2]! + ((this.#words[3]! & ~RESEND_BIT) >>> 0) * TWO_32
  }

  /** The kernel sent the request before, to a process that has died. */
  get isResent(): boolean {
    return (this.#words[3]! & RESEND_BIT) !== 0
  }

  get nodeid(): number {
    return this.#words[4]! + this.#words[5]! * TWO_32
  }

  get uid(): number {
    return this.#words[6]!
  }

  get gid(): number {
    return this.#words[7]!
  }

  get pid(): number {
    return this.#words[8]!
  }

  /** End of the body, before the extensions (counted in units of 8 bytes). */
  get end(): number {
    return this.#words[0]! - (this.#words[9]! & 0xffff) * 8
  }

  /** Unsigned 32-bit number at byte `at` of the body. */
  u32(at: number): number {
    return this.#words[HEADER_WORDS + (at >> 2)]!
  }

  /** Unsigned 64-bit number at byte `at` of the body. */
  u64(at: number): number {
    const word = HEADER_WORDS + (at >> 2)
    return this.#words[word]! + this.#words[word + 1]! * TWO_32
  }

  /** Opaque 64-bit value at byte `at` of the body, as 16 hexadecimal digits. */
  hex64(at: number): string {
    const word = HEADER_WORDS + (at >> 2)
    return hex32(this.#words[word + 1]!) + hex32(this.#words[word]!)
  }

  /** Signed 64-bit number at byte `at` of the body: seconds before 1970, negative offsets. */
  i64(at: number): number {
    const word = HEADER_WORDS + (at >> 2)
    return this.#words[word]! + (this.#words[word + 1]! | 0) * TWO_32
  }

  /** `unique` of another request at byte `at` of the body (INTERRUPT). */
  uniqueAt(at: number): number {
    const word = HEADER_WORDS + (at >> 2)
    return this.#words[word]! + ((this.#words[word + 1]! & ~RESEND_BIT) >>> 0) * TWO_32
  }

  /** Name at byte `at` of the body; ENAMETOOLONG, because the kernel accepts longer names. */
  name(at: number): Uint8Array<ArrayBuffer> {
    const name = this.text(at)
    if (name.length > baseLimits.nameBytes) {
      throw new FsError('ENAMETOOLONG', `a name has at most ${baseLimits.nameBytes} bytes`)
    }
    return name
  }

  /** NUL-terminated bytes at byte `at` of the body, without the NUL; a copy. */
  text(at: number): Uint8Array<ArrayBuffer> {
    const start = REQUEST_HEADER_BYTES + at
    const limit = this.end
    const stop = this.#bytes.indexOf(0, start)
    if (stop < 0 || stop >= limit) throw new FsError('EINVAL', 'a name in a request has no end')
    return this.#bytes.slice(start, stop)
  }

  /** `sizeBytes` bytes at byte `at` of the body. */
  data(at: number, sizeBytes: number): BorrowedBytes {
    const start = REQUEST_HEADER_BYTES + at
    if (start + sizeBytes > this.end) {
      throw new FsError('EINVAL', `request of ${this.length} bytes announces ${sizeBytes} of data`)
    }
    return this.#bytes.subarray(start, start + sizeBytes)
  }

  /** A copy of the whole request, to keep or to send to another thread. */
  copy(): Uint8Array<ArrayBuffer> {
    return inWords(this.#bytes.subarray(0, this.length))
  }

  /** Decodes such a copy from now on, in place; the caller must no longer change it. */
  load(request: Uint8Array<ArrayBuffer>): void {
    const isInWords = request.byteOffset === 0 && request.buffer.byteLength % 8 === 0
    this.#bytes = isInWords ? request : inWords(request)
    this.#words = new Uint32Array(this.#bytes.buffer)
  }
}

function inWords(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(padded(bytes.length)), 0, bytes.length)
  copy.set(bytes)
  return copy
}

function padded(sizeBytes: number): number {
  return (sizeBytes + 7) & ~7
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}

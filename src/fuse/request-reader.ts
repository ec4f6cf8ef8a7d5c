/**
 * One request as the kernel wrote it: `fuse_in_header` (40 bytes), then the body of its opcode.
 *
 * A worker has one buffer, and reads every request into it; the main thread serves each request
 * from the memory that it came in. Names are copies, and may be kept. Data is borrowed
 * (base/borrowed-bytes.ts): valid until the next request. All structures are padded to
 * 8 bytes and in the machine's byte order, so 32-bit words are read through a typed array (several
 * times faster than a DataView). 64-bit numbers become doubles: exact to 2^53, which covers every
 * inode, handle and offset this system gives out; larger ones stay larger than any limit.
 * `unique` is the exception: the kernel may set its top bit, and it is echoed as two words.
 */
import { endianness } from 'node:os'
import type { BorrowedBytes } from '../base/borrowed-bytes.ts'
import { FsError } from '../base/fs-error.ts'
import { limits } from '../limits.ts'

export const REQUEST_HEADER_BYTES = 40

const HEADER_WORDS = REQUEST_HEADER_BYTES / 4
const TWO_32 = 4294967296
/** Set in the upper word of `unique` when the kernel sends a request a second time. */
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

  /** Read requests into this. */
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

  /** `unique` as a number that stays the same when the request is sent again. */
  get unique(): number {
    return this.#words[2]! + ((this.#words[3]! & ~RESEND_BIT) >>> 0) * TWO_32
  }

  /** The kernel sent it before, to a process that died. */
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

  /** End of the body: extensions (in units of 8 bytes) come behind it. */
  get end(): number {
    return this.#words[0]! - (this.#words[9]! & 0xffff) * 8
  }

  /** Unsigned 32 bits at byte `at` of the body. */
  u32(at: number): number {
    return this.#words[HEADER_WORDS + (at >> 2)]!
  }

  /** Unsigned 64 bits at byte `at` of the body. */
  u64(at: number): number {
    const word = HEADER_WORDS + (at >> 2)
    return this.#words[word]! + this.#words[word + 1]! * TWO_32
  }

  /** 64 bits at byte `at` of the body that are no number: all of them, as 16 digits. */
  hex64(at: number): string {
    const word = HEADER_WORDS + (at >> 2)
    return hex32(this.#words[word + 1]!) + hex32(this.#words[word]!)
  }

  /** Signed 64 bits at byte `at` of the body: seconds before 1970, offsets before the start. */
  i64(at: number): number {
    const word = HEADER_WORDS + (at >> 2)
    return this.#words[word]! + (this.#words[word + 1]! | 0) * TWO_32
  }

  /** `unique` of another request, named by the body (INTERRUPT). */
  uniqueAt(at: number): number {
    const word = HEADER_WORDS + (at >> 2)
    return this.#words[word]! + ((this.#words[word + 1]! & ~RESEND_BIT) >>> 0) * TWO_32
  }

  /** The name at byte `at` of the body; the kernel lets pass longer ones than can be answered. */
  name(at: number): Uint8Array<ArrayBuffer> {
    const name = this.text(at)
    if (name.length > limits.nameBytes) {
      throw new FsError('ENAMETOOLONG', `a name has ${limits.nameBytes} bytes at most`)
    }
    return name
  }

  /** The bytes at byte `at` of the body, without the NUL that ends them; a copy. */
  text(at: number): Uint8Array<ArrayBuffer> {
    const start = REQUEST_HEADER_BYTES + at
    const limit = this.end
    const stop = this.#bytes.indexOf(0, start)
    if (stop < 0 || stop >= limit) throw new FsError('EINVAL', 'a request names nothing that ends')
    return this.#bytes.slice(start, stop)
  }

  /** `sizeBytes` bytes at byte `at` of the body. */
  data(at: number, sizeBytes: number): BorrowedBytes {
    const start = REQUEST_HEADER_BYTES + at
    if (start + sizeBytes > this.end) {
      throw new FsError('EINVAL', `a request of ${this.length} bytes promises ${sizeBytes} of data`)
    }
    return this.#bytes.subarray(start, start + sizeBytes)
  }

  /** A copy of the whole request in memory of its own, to be kept or sent to another thread. */
  copy(): Uint8Array<ArrayBuffer> {
    return inWords(this.#bytes.subarray(0, this.length))
  }

  /** Serves such a copy from here on, where it is: nobody else may change it any more. */
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

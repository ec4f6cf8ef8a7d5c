/**
 * CRC-32s of the blocks of an object, stored in its metadata beside the CRC-32 of the whole object,
 * so that a range can be read and checked without the rest. A block has 16 KiB, or more if the
 * table would exceed the metadata size that stores allow (2 KiB on S3). An object of one block has
 * no table.
 */
import { crc32 } from 'node:zlib'
import { FsError } from '../../base/fs-error.ts'
import type { RangeOptions } from '../tier-storage.ts'
import { checkCrc32 } from './object-digest.ts'
import { ObjectRange } from './object-range.ts'

/** Metadata name of the table: base64 of four bytes per block, big-endian. */
const BLOCKS_METADATA = 'crc32blocks'
const BLOCK_BYTES_MIN = 16 * 1024
const BLOCKS_MAX = 256

/** Metadata to store with an object so that ranges of it can be checked. */
export function blockMetadata(data: Uint8Array): Record<string, string> {
  const blockBytes = blockBytesOf(data.length)
  const count = Math.ceil(data.length / blockBytes)
  if (count < 2) return {}
  const table = Buffer.allocUnsafe(count * 4)
  for (let at = 0; at < count; at++) {
    table.writeUInt32BE(crc32(data.subarray(at * blockBytes, (at + 1) * blockBytes)), at * 4)
  }
  return { [BLOCKS_METADATA]: table.toString('base64') }
}

/** A byte range, extended to whole blocks for reading and checking. */
export class CheckedRange {
  readonly blocks: ObjectRange
  readonly #offset: number
  readonly #length: number
  readonly #size: number
  readonly #blockBytes: number
  readonly #first: number

  constructor({ offset, length, size }: RangeOptions) {
    const isWithin = offset >= 0 && length > 0 && offset + length <= size
    if (!isWithin) {
      throw new FsError('EINVAL', `range out of bounds: ${length} bytes at ${offset} of ${size}`)
    }
    this.#blockBytes = blockBytesOf(size)
    this.#first = Math.floor(offset / this.#blockBytes)
    const start = this.#first * this.#blockBytes
    const end = Math.ceil((offset + length) / this.#blockBytes) * this.#blockBytes
    this.blocks = new ObjectRange({ offset: start, length: Math.min(size, end) - start })
    this.#offset = offset - start
    this.#length = length
    this.#size = size
  }

  /** Checks `data` (all of `blocks`) and returns the range. EOPNOTSUPP: the object has no table. */
  checked(data: Buffer, metadata: Record<string, string> | undefined): Buffer {
    const table = Buffer.from(metadata?.[BLOCKS_METADATA] ?? '', 'base64')
    if (table.length !== Math.ceil(this.#size / this.#blockBytes) * 4) {
      throw new FsError('EOPNOTSUPP', 'the object has no block checksums: read the whole object')
    }
    for (let at = 0; at * this.#blockBytes < data.length; at++) {
      const block = data.subarray(at * this.#blockBytes, (at + 1) * this.#blockBytes)
      checkCrc32(block, table.readUInt32BE((this.#first + at) * 4))
    }
    return data.subarray(this.#offset, this.#offset + this.#length)
  }
}

function blockBytesOf(size: number): number {
  let bytes = BLOCK_BYTES_MIN
  while (size > bytes * BLOCKS_MAX) bytes *= 2
  return bytes
}

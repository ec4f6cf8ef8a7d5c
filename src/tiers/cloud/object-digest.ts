/**
 * Checksums of an object. CRC-32 is what this system keeps for every chunk; it is stored in the
 * metadata of the object, so that a later read detects damage on any store. MD5 is what every
 * object store verifies on arrival (Content-MD5); it protects against damage, not against an
 * attacker.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { FsError } from '../../base/fs-error.ts'

export class ObjectDigest {
  readonly crc32: number
  readonly md5: Buffer

  constructor(data: Uint8Array) {
    this.crc32 = crc32(data)
    this.md5 = createHash('md5').update(data).digest()
  }

  /** As stored in the metadata of an object: eight hexadecimal digits. */
  get crc32Hex(): string {
    return crc32Hex(this.crc32)
  }

  /** As S3 expects it: big-endian, base64. */
  get crc32Base64(): string {
    return Buffer.from(this.crc32Hex, 'hex').toString('base64')
  }

  get md5Base64(): string {
    return this.md5.toString('base64')
  }

  get md5Hex(): string {
    return this.md5.toString('hex')
  }
}

/** Metadata name of the CRC-32: Azure accepts only identifiers, S3 only lower case. */
export const CRC32_METADATA = 'crc32'

/** EIO if the CRC-32 of `data` is not `expected`; no check if `expected` is undefined. */
export function checkCrc32(data: Uint8Array, expected: number | undefined): void {
  if (expected === undefined) return
  const actual = crc32(data)
  if (actual === expected) return
  const [found, wanted] = [crc32Hex(actual), crc32Hex(expected)]
  throw new FsError('EIO', `the data is damaged: its CRC-32 is ${found}, expected ${wanted}`)
}

/** CRC-32 from the metadata of an object; undefined if it is absent or malformed. */
export function storedCrc32(metadata: Record<string, string> | undefined): number | undefined {
  const text = metadata?.[CRC32_METADATA]
  return text !== undefined && /^[0-9a-f]{8}$/.test(text) ? Number.parseInt(text, 16) : undefined
}

function crc32Hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}

/**
 * The checksums that an object travels with. CRC-32 is what this system keeps beside every chunk;
 * MD5 is the one that every object store verifies on arrival (Content-MD5), and is no protection
 * against an attacker, only against damage. The CRC is stored with the object in its metadata, so
 * that a later read can tell damage on any store.
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

  /** As stored in an object's metadata: eight hexadecimal digits. */
  get crc32Hex(): string {
    return crc32Hex(this.crc32)
  }

  /** As S3 wants it: big-endian, base64. */
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

/** The name of the CRC in an object's metadata: Azure takes identifiers only, S3 lower case. */
export const CRC32_METADATA = 'crc32'

/** EIO where the data is not what its owner took the checksum of. */
export function checkCrc32(data: Uint8Array, expected: number | undefined): void {
  if (expected === undefined) return
  const actual = crc32(data)
  if (actual === expected) return
  const [is, was] = [crc32Hex(actual), crc32Hex(expected)]
  throw new FsError('EIO', `the data is damaged: its CRC-32 is ${is}, it should be ${was}`)
}

/** The CRC in an object's metadata; undefined where it has none, or nothing that is one. */
export function storedCrc32(metadata: Record<string, string> | undefined): number | undefined {
  const text = metadata?.[CRC32_METADATA]
  return text !== undefined && /^[0-9a-f]{8}$/.test(text) ? Number.parseInt(text, 16) : undefined
}

function crc32Hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}

/**
 * How a chunk travels between nodes: `GET` or `PUT /api/chunks/{ino}/{index}/{id}`, the body its
 * bytes, their CRC-32 (decimal) in a header. Both sides check it, and the length.
 */
import { FsError } from '../../base/fs-error.ts'
import type { ChunkAddress } from './chunk-address.ts'

export const CRC_HEADER = 'x-chunk-crc32'
const CRC_MAX = 2 ** 32 - 1

export function chunkPath({ ino, index, id }: ChunkAddress): string {
  return `/api/chunks/${ino}/${index}/${id}`
}

/** undefined: the header is not there, or is no CRC-32. */
export function parseCrc(header: unknown): number | undefined {
  if (typeof header !== 'string' || !/^\d{1,10}$/.test(header)) return undefined
  const crc = Number(header)
  return crc <= CRC_MAX ? crc : undefined
}

/** A copy that is not what it should be: to be reported, and never used. */
export class DamagedCopy extends FsError {
  constructor(what: string) {
    super('EIO', what)
  }
}

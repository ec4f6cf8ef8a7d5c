/**
 * Transfer format of chunks between nodes: `GET` or `PUT /api/chunks/{ino}/{index}/{id}`. The body
 * is the data; a header has its CRC-32 in decimal. Both sides check the CRC-32 and the length.
 */
import { FsError } from '../../base/fs-error.ts'
import type { ChunkAddress } from './chunk-address.ts'

export const CRC_HEADER = 'x-chunk-crc32'
const CRC_MAX = 2 ** 32 - 1

export function chunkPath({ ino, index, id }: ChunkAddress): string {
  return `/api/chunks/${ino}/${index}/${id}`
}

/** Undefined if the header is absent or no CRC-32. */
export function parseCrc(header: unknown): number | undefined {
  if (typeof header !== 'string' || !/^\d{1,10}$/.test(header)) return undefined
  const crc = Number(header)
  return crc <= CRC_MAX ? crc : undefined
}

/** A copy whose length or CRC-32 is wrong. It is reported and never used. */
export class DamagedCopy extends FsError {
  constructor(what: string) {
    super('EIO', what)
  }
}

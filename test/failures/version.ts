/**
 * Versions of a file: all of one size, several chunks, each telling its value in every part, so
 * that a mix of two is noticed.
 */
import { MIXED } from './history.ts'

/** Three chunks of the size that the nodes are given. */
export const VERSION_BYTES = 150_000
/** At the borders of chunks values are cut. */
const PARTS_TOLD = 6

export function contentOf(value: string): Buffer {
  return Buffer.alloc(VERSION_BYTES, `${value} `)
}

export function valueOf(content: Buffer): string {
  const value = content.toString('latin1', 0, Math.max(0, content.indexOf(' ')))
  if (value !== '' && content.equals(contentOf(value))) return value
  const parts = [...new Set(content.toString('latin1').split(' '))].slice(0, PARTS_TOLD)
  return `${MIXED} of ${parts.join(', ')}, ${content.length} bytes`
}

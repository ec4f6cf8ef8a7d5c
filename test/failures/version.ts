/**
 * Versions of a file: all of one size, several chunks, each telling its value in every part, so
 * that a mix of two is noticed.
 */
import { mixOf } from './history.ts'

/** Three chunks of the size that the nodes are given. */
export const VERSION_BYTES = 150_000
/** Of one mention of the value: no border of a chunk or page cuts one. */
const RECORD_BYTES = 16

export function contentOf(value: string): Buffer {
  return Buffer.alloc(VERSION_BYTES, value.padEnd(RECORD_BYTES))
}

export function valueOf(content: Buffer): string {
  const parts = new Set<string>()
  for (let at = 0; at < content.length; at += RECORD_BYTES) {
    parts.add(content.toString('latin1', at, at + RECORD_BYTES).trim())
  }
  if (content.length !== VERSION_BYTES) parts.add(`${content.length} bytes`)
  const [value = ''] = parts
  return parts.size === 1 ? value : mixOf([...parts])
}

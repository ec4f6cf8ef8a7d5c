/**
 * Versions of a file: all have one size of several chunks, and every part contains the value, so
 * that a mix of two versions is detected.
 */
import { mixOf } from './history.ts'

/** Three chunks of the configured size. */
export const VERSION_BYTES = 150_000
/** Size of one record with the value; no chunk or page boundary splits a record. */
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

/**
 * The bytes of one version of a file as the local file system has them: a file at the same path,
 * filled block by block. A version that is replaced loses its place (`entry` is undefined then);
 * who has it open goes on reading the blocks that are there.
 */
import { SingleFlight } from '../base/single-flight.ts'
import type { Entry } from './entry.ts'

export class LocalCopy {
  /** Whose content it is; undefined once another version took its place. */
  entry: Entry | undefined
  /** Of the remote version; what is changed here has none. */
  etag: string | undefined
  readonly blockBytes: number
  size: number
  /** Blocks that are there; undefined: all of them. */
  present: Set<number> | undefined
  /** The disk has no room for the file itself: blocks are read without being kept. */
  isHomeless = false
  /** Until then the disk is taken for full: blocks are read without being kept. */
  tightUntilMs = -Infinity
  /** The last block that was read so. */
  passing: { block: number; data: Uint8Array } | undefined
  /** Open files. */
  users = 0
  readonly flights = new SingleFlight<number, void>()

  constructor(entry: Entry, size: number, blockBytes: number, etag?: string) {
    this.entry = entry
    this.size = size
    this.blockBytes = blockBytes
    this.etag = etag
    this.present = etag === undefined || size === 0 ? undefined : new Set()
  }

  has(block: number): boolean {
    return this.present?.has(block) ?? true
  }

  add(block: number): void {
    this.present?.add(block)
    if (this.present?.size === this.blocks) this.present = undefined
  }

  get blocks(): number {
    return Math.ceil(this.size / this.blockBytes)
  }

  get isWhole(): boolean {
    return this.present === undefined
  }

  /** Bytes that are there. */
  get bytes(): number {
    return this.present === undefined
      ? this.size
      : Math.min(this.size, this.present.size * this.blockBytes)
  }

  /** First and last byte of a block. */
  range(block: number): { start: number; end: number } {
    const start = block * this.blockBytes
    return { start, end: Math.min(start + this.blockBytes, this.size) - 1 }
  }
}

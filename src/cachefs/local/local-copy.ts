/**
 * Local copy of one version of a file: a local file at the same path, filled block by block. When
 * another version replaces it, it loses its entry (`entry` is undefined); open files can still read
 * the blocks that are present.
 */
import { SingleFlight } from '../../base/async/single-flight.ts'
import type { Entry } from '../entry.ts'

export class LocalCopy {
  /** Entry whose content this is; undefined once another version has replaced it. */
  entry: Entry | undefined
  /** Etag of the remote version; undefined for locally changed content. */
  etag: string | undefined
  readonly blockBytes: number
  size: number
  /** Blocks that are present; undefined: all. */
  present: Set<number> | undefined
  /** There is no local file (disk full, or the file was removed): the next block creates one. */
  lacksFile = false
  /** Incremented when the local file was lost: handles of it are not those of the next one. */
  fileVersion = 0
  /** Until then the disk counts as full: blocks are read without being stored. */
  diskFullUntilMs = -Infinity
  /** The last block that was read without being stored. */
  lastUnstored: { block: number; data: Uint8Array } | undefined
  /** Number of open files. */
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

  /** Bytes that are present. */
  get bytes(): number {
    return this.present === undefined
      ? this.size
      : Math.min(this.size, this.present.size * this.blockBytes)
  }

  /** Offsets of the first and the last byte of a block. */
  range(block: number): { start: number; end: number } {
    const start = block * this.blockBytes
    return { start, end: Math.min(start + this.blockBytes, this.size) - 1 }
  }
}

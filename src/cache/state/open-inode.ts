/**
 * What the threads of a node share about one inode that is open, or has content that is not in the
 * metadata: a row of numbers in shared memory (shared-state.ts). All of it is read and written
 * under the inode's lock.
 */
import type { Timestamp } from '../../base/clock.ts'

export const FIELDS = 18
export const INO = 0
export const EPOCH = 13
export const KERNEL_OPENS = 14
export const BACKING = 15
export const PASSTHROUGH_BYTES = 16
export const SEEN = 17
export const NEXT = 1
export const FLAGS = 3
export const SIZE = 4
const [OPENS, FLOOR] = [2, 5] as const
export const MTIME = 6
export const MTIME_NSEC = 7
export const CTIME = 8
export const CTIME_NSEC = 9
const [GROWTH, COMMIT_FLOOR, BASE] = [10, 11, 12] as const
export const DIRTY = 1
export const UNLINKED = 2
export const COMMITTING = 4
export const LEASED = 8
export const MAPPED = 16
const INVALIDATED = 32
export const FRESH = 64
const QUEUED = 128
export const KERNEL_WRITES = 256
const NOTED = 512
const FILLED = 1024
export const KNOWN = 2048
const SYNCED = 4096
const OUTLIVED = 8192
export const LISTED = 16_384
export const MAY_MAP = 32_768

/**
 * Opens by the kernel are counted by kind in one number, so that a single store changes all counts:
 * every open adds `OPEN`, one whose reads and writes bypass the page cache `DIRECT` as well, and
 * where there are other nodes one that may write `WRITING`.
 */
const COUNT_LIMIT = 2 ** 20
export const OPEN = 1
export const DIRECT = COUNT_LIMIT
export const WRITING = COUNT_LIMIT ** 2
/** What the largest of them leaves room for in an exact number. */
export const WRITING_LIMIT = 2 ** 13

/** A view of one open inode's fields; use it under the inode's lock only. */
export class OpenInode {
  readonly #entries: Float64Array
  readonly #base: number

  constructor(entries: Float64Array, at: number) {
    this.#entries = entries
    this.#base = at * FIELDS
  }

  get opens(): number {
    return this.#entries[this.#base + OPENS] ?? 0
  }
  set opens(count: number) {
    this.#entries[this.#base + OPENS] = count
  }

  /** Opens by the kernel, which outlive this process: a sum of `OPEN`, `DIRECT`, `WRITING`. */
  get kernelUses(): number {
    return this.#entries[this.#base + KERNEL_OPENS] ?? 0
  }
  set kernelUses(sum: number) {
    this.#entries[this.#base + KERNEL_OPENS] = sum
  }

  /** Of `opens`, those by the kernel. */
  get kernelOpens(): number {
    return opensIn(this.kernelUses)
  }

  /** Of `kernelOpens`, those that bypass the page cache. */
  get directOpens(): number {
    return Math.floor(this.kernelUses / DIRECT) % COUNT_LIMIT
  }

  /** Of `kernelOpens`, those that may write, where there are other nodes. */
  get writingOpens(): number {
    return writingIn(this.kernelUses)
  }

  /** What the kernel knows the backing file by, which it reads by itself; 0: it does not. */
  get backing(): number {
    return this.#entries[this.#base + BACKING] ?? 0
  }
  set backing(id: number) {
    this.#entries[this.#base + BACKING] = id
  }

  /** Bytes counted as not to be evicted for that. */
  get passthroughBytes(): number {
    return this.#entries[this.#base + PASSTHROUGH_BYTES] ?? 0
  }
  set passthroughBytes(bytes: number) {
    this.#entries[this.#base + PASSTHROUGH_BYTES] = bytes
  }

  /** Programs may write to it by way of memory, unseen: see cache/passthrough/mmap-writes.ts. */
  get mapped(): boolean {
    return this.#flag(MAPPED)
  }
  set mapped(value: boolean) {
    this.#setFlag(MAPPED, value)
  }

  /**
   * The kernel may write it, or has written what is not committed yet: see
   * cache/passthrough/passthrough-writes.ts.
   */
  get passthroughWrites(): boolean {
    return this.#flag(KERNEL_WRITES)
  }
  set passthroughWrites(value: boolean) {
    this.#setFlag(KERNEL_WRITES, value)
  }

  /**
   * A mount that has ended had it open to be written by the kernel, and programs that have outlived
   * it may still write: see cache/passthrough/passthrough-writes.ts.
   */
  get outlived(): boolean {
    return this.#flag(OUTLIVED)
  }
  set outlived(value: boolean) {
    this.#setFlag(OUTLIVED, value)
  }

  /** And a program has synced it: it may stay open for long, as logs do. */
  get synced(): boolean {
    return this.#flag(SYNCED)
  }
  set synced(value: boolean) {
    this.#setFlag(SYNCED, value)
  }

  /** And the node's database knows that, also on the disk. */
  get noted(): boolean {
    return this.#flag(NOTED)
  }
  set noted(value: boolean) {
    this.#setFlag(NOTED, value)
  }

  /** When the backing file had been changed last as far as that was looked at, ms; -1: unknown. */
  get seenMs(): number {
    return this.#entries[this.#base + SEEN] ?? -1
  }
  set seenMs(ms: number) {
    this.#entries[this.#base + SEEN] = ms
  }

  /** Its content differs from what is in the journal; the fields below hold then. */
  get dirty(): boolean {
    return this.#flag(DIRTY)
  }
  set dirty(value: boolean) {
    this.#setFlag(DIRTY, value)
  }

  /** Its content is in the journal, and not known to be in the metadata. */
  get committing(): boolean {
    return this.#flag(COMMITTING)
  }
  set committing(value: boolean) {
    this.#setFlag(COMMITTING, value)
  }

  /** The content here is newer than the metadata's. */
  get ahead(): boolean {
    return this.#flag(DIRTY | COMMITTING)
  }

  /** No other node may write it: see coordinator/locks/write-leases.ts. */
  get leased(): boolean {
    return this.#flag(LEASED)
  }
  set leased(value: boolean) {
    this.#setFlag(LEASED, value)
  }

  /**
   * The coordinator knows that it is open for writing here: see coordinator/locks/open-writers.ts.
   */
  get listed(): boolean {
    return this.#flag(LISTED)
  }
  set listed(value: boolean) {
    this.#setFlag(LISTED, value)
  }

  /** And no other node had it open for writing then: programs here may map it and write there. */
  get mayMap(): boolean {
    return this.#flag(MAY_MAP)
  }
  set mayMap(value: boolean) {
    this.#setFlag(MAY_MAP, value)
  }

  /**
   * The kernel was made to forget its pages while programs have it open. It fills pages before it
   * asks for a write: of one that was under way then they are gone, and may have been read anew,
   * without it.
   */
  get invalidated(): boolean {
    return this.#flag(INVALIDATED)
  }
  set invalidated(value: boolean) {
    this.#setFlag(INVALIDATED, value)
  }

  /**
   * The kernel has read pages of it into its cache since it was opened. Writes that bypass the
   * cache have the kernel drop them: it fills a page as far as the file reaches, and shows the rest
   * as zeros once the file is longer.
   */
  get filled(): boolean {
    return this.#flag(FILLED)
  }
  set filled(value: boolean) {
    this.#setFlag(FILLED, value)
  }

  /**
   * The metadata has never had any content of it, and the databases know nothing of its bytes: all
   * of them are in the backing file, one chunk at most unless the kernel wrote them. Written files
   * are dirty as well.
   */
  get fresh(): boolean {
    return this.#flag(FRESH)
  }
  set fresh(value: boolean) {
    this.#setFlag(FRESH, value)
  }

  /** Its commit is left to cache/write/group-commit.ts. */
  get queued(): boolean {
    return this.#flag(QUEUED)
  }
  set queued(value: boolean) {
    this.#setFlag(QUEUED, value)
  }

  /**
   * Of an inode without a name: the kernel has it, and a program that has just looked its name up
   * may be about to open it. It goes when the kernel has forgotten it.
   */
  get known(): boolean {
    return this.#flag(KNOWN)
  }
  set known(value: boolean) {
    this.#setFlag(KNOWN, value)
  }

  /** Its last name is gone: it goes with its last user. */
  get unlinked(): boolean {
    return this.#flag(UNLINKED)
  }
  set unlinked(value: boolean) {
    this.#setFlag(UNLINKED, value)
  }

  /** How often what was written since it is open was overtaken by another node. */
  get epoch(): number {
    return this.#entries[this.#base + EPOCH] ?? 0
  }
  set epoch(count: number) {
    this.#entries[this.#base + EPOCH] = count
  }

  get size(): number {
    return this.#entries[this.#base + SIZE] ?? 0
  }
  set size(bytes: number) {
    this.#entries[this.#base + SIZE] = bytes
  }

  /** Smallest size since it became dirty. */
  get floor(): number {
    return this.#entries[this.#base + FLOOR] ?? 0
  }
  set floor(bytes: number) {
    this.#entries[this.#base + FLOOR] = bytes
  }

  /** Smallest size that the journaled commit has to cut the content to. */
  get commitFloor(): number {
    return this.#entries[this.#base + COMMIT_FLOOR] ?? 0
  }
  set commitFloor(bytes: number) {
    this.#entries[this.#base + COMMIT_FLOOR] = bytes
  }

  /** The metadata's chunks from here on are void. */
  get voidFrom(): number {
    const dirty = this.dirty ? this.floor : Infinity
    return this.committing ? Math.min(dirty, this.commitFloor) : dirty
  }

  /** Version of the committed content that this content began from. */
  get base(): number {
    return this.#entries[this.#base + BASE] ?? 0
  }
  set base(version: number) {
    this.#entries[this.#base + BASE] = version
  }

  /** Bytes counted as used and unsynced for growth, beyond what the chunk rows say. */
  get growth(): number {
    return this.#entries[this.#base + GROWTH] ?? 0
  }
  set growth(bytes: number) {
    this.#entries[this.#base + GROWTH] = bytes
  }

  get mtime(): Timestamp {
    return this.#time(MTIME, MTIME_NSEC)
  }
  set mtime(time: Timestamp) {
    this.#setTime(MTIME, MTIME_NSEC, time)
  }

  get ctime(): Timestamp {
    return this.#time(CTIME, CTIME_NSEC)
  }
  set ctime(time: Timestamp) {
    this.#setTime(CTIME, CTIME_NSEC, time)
  }

  #flag(bit: number): boolean {
    return ((this.#entries[this.#base + FLAGS] ?? 0) & bit) !== 0
  }

  #setFlag(bit: number, value: boolean): void {
    const flags = this.#entries[this.#base + FLAGS] ?? 0
    this.#entries[this.#base + FLAGS] = value ? flags | bit : flags & ~bit
  }

  #time(sec: number, nsec: number): Timestamp {
    return {
      sec: this.#entries[this.#base + sec] ?? 0,
      nsec: this.#entries[this.#base + nsec] ?? 0,
    }
  }

  #setTime(sec: number, nsec: number, time: Timestamp): void {
    this.#entries[this.#base + sec] = time.sec
    this.#entries[this.#base + nsec] = time.nsec
  }
}

/** How many of them may write. */
export function writingIn(uses: number): number {
  return Math.floor(uses / WRITING)
}

/** How many opens such a sum counts. */
export function opensIn(uses: number): number {
  return uses % COUNT_LIMIT
}

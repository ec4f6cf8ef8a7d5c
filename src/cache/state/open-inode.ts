/**
 * State that the threads of a node share about one inode that is open, or has content that is not
 * in the metadata: a row of numbers in shared memory (shared-state.ts). Invariant: all fields are
 * read and written under the lock of the inode.
 */
import type { Timestamp } from '../../base/clock.ts'
import {
  afterEvent,
  writersAfter,
  type WriteEvent,
  type WriteState,
  type Writers,
  type WritersEvent,
} from './write-state.ts'

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
 * Bits of each state in the flags. DIRTY: the content differs from the upload journal. COMMITTING:
 * the journal has content that the metadata may lack. FRESH: the metadata never had content.
 */
const STATES: Record<WriteState, number> = {
  committed: 0,
  new: FRESH,
  'new-written': FRESH | DIRTY,
  dirty: DIRTY,
  committing: COMMITTING,
  rewritten: COMMITTING | DIRTY,
}
const STATE_BITS = DIRTY | COMMITTING | FRESH
const STATE_OF = new Map(Object.entries(STATES).map(([state, bits]) => [bits, state as WriteState]))
const WRITERS: Record<Writers, number> = {
  none: 0,
  kernel: KERNEL_WRITES,
  outlived: KERNEL_WRITES | OUTLIVED,
}

/** Write state in the flags of an entry. */
export function stateIn(flags: number): WriteState {
  const state = STATE_OF.get(flags & STATE_BITS)
  if (state === undefined) throw new Error(`flags ${flags} are no write state`)
  return state
}

/**
 * Opens by the kernel are counted by kind in one number, so that a single store changes all counts.
 * Every open adds `OPEN`. An open whose reads and writes bypass the page cache adds `DIRECT` as
 * well. An open that may write adds `WRITING` as well if the volume has other nodes.
 */
const COUNT_LIMIT = 2 ** 20
export const OPEN = 1
export const DIRECT = COUNT_LIMIT
export const WRITING = COUNT_LIMIT ** 2
/** Bound of the writing opens, so that the sum stays an exact number. */
export const WRITING_LIMIT = 2 ** 13

/** View of the fields of one open inode. Use it only under the lock of the inode. */
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

  /** Number of `opens` by the kernel. */
  get kernelOpens(): number {
    return opensIn(this.kernelUses)
  }

  /** Number of `kernelOpens` that bypass the page cache. */
  get directOpens(): number {
    return Math.floor(this.kernelUses / DIRECT) % COUNT_LIMIT
  }

  /** Number of `kernelOpens` that may write; counted only if the volume has other nodes. */
  get writingOpens(): number {
    return writingIn(this.kernelUses)
  }

  /** Id of the backing file in the kernel, which reads it itself; 0: no passthrough. */
  get backing(): number {
    return this.#entries[this.#base + BACKING] ?? 0
  }
  set backing(id: number) {
    this.#entries[this.#base + BACKING] = id
  }

  /** Bytes counted as not evictable because of passthrough. */
  get passthroughBytes(): number {
    return this.#entries[this.#base + PASSTHROUGH_BYTES] ?? 0
  }
  set passthroughBytes(bytes: number) {
    this.#entries[this.#base + PASSTHROUGH_BYTES] = bytes
  }

  /** Programs may have mmap writes under way: see cache/passthrough/mmap-writes.ts. */
  get mapped(): boolean {
    return this.#flag(MAPPED)
  }
  set mapped(value: boolean) {
    this.#setFlag(MAPPED, value)
  }

  get writeState(): WriteState {
    return stateIn(this.#flags)
  }

  /** The transition of `writeState` that an event causes. */
  follow(event: WriteEvent): void {
    const { writeState } = this
    const next = afterEvent(writeState, event)
    if (next !== writeState) this.#replaceFlags(STATE_BITS, STATES[next])
  }

  get writers(): Writers {
    if (this.outlived) return 'outlived'
    return this.passthroughWrites ? 'kernel' : 'none'
  }

  /** The transition of `writers` that an event causes. */
  followWriters(event: WritersEvent): void {
    this.#replaceFlags(WRITERS.outlived, WRITERS[writersAfter(this.writers, event)])
  }

  /** Whether the kernel may write the file, or wrote content that is not committed yet. */
  get passthroughWrites(): boolean {
    return this.#flag(KERNEL_WRITES)
  }

  /** Whether programs that survived the mount may still write. */
  get outlived(): boolean {
    return this.#flag(OUTLIVED)
  }

  /**
   * A program synced the file while the kernel writes it. Such a file may stay open for long, as
   * logs do.
   */
  get synced(): boolean {
    return this.#flag(SYNCED)
  }
  set synced(value: boolean) {
    this.#setFlag(SYNCED, value)
  }

  /** The node database has a record of the passthrough writes (stage UNTRACKED), on the disk. */
  get noted(): boolean {
    return this.#flag(NOTED)
  }
  set noted(value: boolean) {
    this.#setFlag(NOTED, value)
  }

  /** mtime of the backing file when it was last examined, ms; -1: unknown. */
  get seenMs(): number {
    return this.#entries[this.#base + SEEN] ?? -1
  }
  set seenMs(ms: number) {
    this.#entries[this.#base + SEEN] = ms
  }

  /** The content differs from the journal. The fields below are valid only then. */
  get dirty(): boolean {
    return this.#flag(DIRTY)
  }

  /** The content is in the journal, and the metadata may lack it. */
  get committing(): boolean {
    return this.#flag(COMMITTING)
  }

  /** The content on this node is newer than that in the metadata. */
  get ahead(): boolean {
    return this.#flag(DIRTY | COMMITTING)
  }

  /** This node has the write lease: see coordinator/locks/write-leases.ts. */
  get leased(): boolean {
    return this.#flag(LEASED)
  }
  set leased(value: boolean) {
    this.#setFlag(LEASED, value)
  }

  /**
   * The coordinator lists it as open for writing on this node: see
   * coordinator/locks/open-writers.ts.
   */
  get listed(): boolean {
    return this.#flag(LISTED)
  }
  set listed(value: boolean) {
    this.#setFlag(LISTED, value)
  }

  /**
   * Set if it is `listed` and no other node had it open for writing then: programs on this node may
   * map it shared and writable.
   */
  get mayMap(): boolean {
    return this.#flag(MAY_MAP)
  }
  set mayMap(value: boolean) {
    this.#setFlag(MAY_MAP, value)
  }

  /**
   * Set when the page cache was invalidated while the file was open. The kernel fills pages before
   * it requests a write: those of an in-flight write are then dropped, and may have been read again
   * without that write.
   */
  get invalidated(): boolean {
    return this.#flag(INVALIDATED)
  }
  set invalidated(value: boolean) {
    this.#setFlag(INVALIDATED, value)
  }

  /**
   * The kernel may have read pages into its cache since the file was opened. Writes that bypass the
   * page cache then make the kernel drop them: it fills a page only up to the end of the file, and
   * would show the rest as zeros once the file is longer.
   */
  get filled(): boolean {
    return this.#flag(FILLED)
  }
  set filled(value: boolean) {
    this.#setFlag(FILLED, value)
  }

  /**
   * The metadata never had content of the file, and the databases have no record of its bytes. All
   * bytes are in the backing file: at most one chunk, unless the kernel wrote them.
   */
  get fresh(): boolean {
    return this.#flag(FRESH)
  }

  /** Its commit is left to cache/write/group-commit.ts. */
  get queued(): boolean {
    return this.#flag(QUEUED)
  }
  set queued(value: boolean) {
    this.#setFlag(QUEUED, value)
  }

  /**
   * Of an inode without a name: the kernel references it, and a program that has just looked up its
   * name may be about to open it. It is kept until the FORGET of the kernel.
   */
  get known(): boolean {
    return this.#flag(KNOWN)
  }
  set known(value: boolean) {
    this.#setFlag(KNOWN, value)
  }

  /** Its last name was removed. It is deleted with its last user. */
  get unlinked(): boolean {
    return this.#flag(UNLINKED)
  }
  set unlinked(value: boolean) {
    this.#setFlag(UNLINKED, value)
  }

  /** How often writes since the file was opened were overtaken by a commit of another node. */
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

  /** Smallest size since it became dirty, bytes. */
  get floor(): number {
    return this.#entries[this.#base + FLOOR] ?? 0
  }
  set floor(bytes: number) {
    this.#entries[this.#base + FLOOR] = bytes
  }

  /** Smallest size to which the journaled commit has to cut the content, bytes. */
  get commitFloor(): number {
    return this.#entries[this.#base + COMMIT_FLOOR] ?? 0
  }
  set commitFloor(bytes: number) {
    this.#entries[this.#base + COMMIT_FLOOR] = bytes
  }

  /** The chunks of the metadata from this offset on are void. */
  get voidFrom(): number {
    const dirty = this.dirty ? this.floor : Infinity
    return this.committing ? Math.min(dirty, this.commitFloor) : dirty
  }

  /** Version of the committed content from which this content began. */
  get base(): number {
    return this.#entries[this.#base + BASE] ?? 0
  }
  set base(version: number) {
    this.#entries[this.#base + BASE] = version
  }

  /** Bytes counted as used and pending for growth, in addition to the rows of the chunks. */
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

  get #flags(): number {
    return this.#entries[this.#base + FLAGS] ?? 0
  }

  #flag(bit: number): boolean {
    return (this.#flags & bit) !== 0
  }

  #setFlag(bit: number, value: boolean): void {
    this.#replaceFlags(bit, value ? bit : 0)
  }

  /** Sets all bits of `mask` in one store: a process that is killed leaves a complete state. */
  #replaceFlags(mask: number, bits: number): void {
    this.#entries[this.#base + FLAGS] = (this.#flags & ~mask) | bits
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

/** Number of opens that may write, in a sum as `kernelUses`. */
export function writingIn(uses: number): number {
  return Math.floor(uses / WRITING)
}

/** Number of opens in a sum as `kernelUses`. */
export function opensIn(uses: number): number {
  return uses % COUNT_LIMIT
}

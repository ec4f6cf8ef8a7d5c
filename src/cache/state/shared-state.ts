/**
 * What the threads of one node share in memory, beside the databases: a lock per inode, the
 * generations that tell a thread that what it remembers of an inode may be outdated, the table of
 * open inodes, and the counters that hold writers back.
 *
 * Inodes share the slots of fixed arrays (slot = inode modulo the number of slots): two inodes on
 * one slot wait for each other now and then, or forget a little too much; never too little. All of
 * an open inode's fields are read and written under its slot's lock.
 */
import { randomInt } from 'node:crypto'
import { SharedMutex } from '../../base/async/shared-mutex.ts'
import { SharedQueue } from '../../base/async/shared-queue.ts'
import { FsError } from '../../base/fs-error.ts'
import { cacheLimits } from '../limits.ts'
import { mapFile } from '../../base/native-calls.ts'
import {
  COMMITTING,
  DIRTY,
  FIELDS,
  FLAGS,
  INO,
  KERNEL_WRITES,
  LEASED,
  LISTED,
  MAPPED,
  NEXT,
  OpenInode,
  UNLINKED,
} from './open-inode.ts'
import { PageDrops, type PageDropMemory } from '../read/page-drops.ts'
import { RecentCuts } from '../write/recent-cuts.ts'
import { JOURNAL_NUMBERS } from './request-journal.ts'

const SLOTS = 65_536
/** Counters, in bytes unless said otherwise. */
const COUNTERS = [
  'usedBytes',
  'unsyncedBytes',
  'freeBytes',
  'hits',
  'hitBytes',
  'misses',
  /** Of files that the kernel reads by itself. */
  'passedBytes',
  'passedOpens',
  /** 1 while the oldest write that is not durable is older than its bound. */
  'overdue',
  /** Chunks that are lost (cache/checks/lost-chunks.ts). */
  'lostChunks',
  /** Since the start: clean chunks whose bytes were missing or damaged, to be fetched again. */
  'damagedChunks',
  /** How often SQLite has come upon damage in the database of this node, and of the metadata. */
  'nodeDatabaseDamage',
  'metadataDamage',
] as const
export type CounterName = (typeof COUNTERS)[number]
const POSITION = Object.fromEntries(COUNTERS.map((name, at) => [name, at])) as Record<
  CounterName,
  number
>

export interface SharedBuffers {
  locks: SharedArrayBuffer
  chunkGenerations: SharedArrayBuffer
  fileGenerations: SharedArrayBuffer
  heads: SharedArrayBuffer
  /** A path: in that file, for the process that comes after this one (open-table.ts). */
  entries: SharedArrayBuffer | string
  free: SharedArrayBuffer
  counters: SharedArrayBuffer
  databases: SharedArrayBuffer
  commits: SharedArrayBuffer
  pageDrops: PageDropMemory
  trust: SharedArrayBuffer
  passthrough: SharedArrayBuffer
  preallocatedFiles: SharedArrayBuffer
  cuts: SharedArrayBuffer
  closed: SharedArrayBuffer
}

/** Numbers of open inodes; what threads do for the kernel is behind them. */
export const ENTRY_NUMBERS = (cacheLimits.openInodes + 1) * FIELDS
const TABLE_BYTES = (ENTRY_NUMBERS + JOURNAL_NUMBERS) * 8

/** `openTable`: a file for the open inodes. */
export function allocateSharedBuffers(openTable?: string): SharedBuffers {
  const buffers = {
    locks: new SharedArrayBuffer(SLOTS * 4),
    chunkGenerations: new SharedArrayBuffer(SLOTS * 4),
    fileGenerations: new SharedArrayBuffer(SLOTS * 4),
    heads: new SharedArrayBuffer(SLOTS * 4),
    entries: openTable ?? new SharedArrayBuffer(TABLE_BYTES),
    free: new SharedArrayBuffer(8),
    counters: new SharedArrayBuffer(COUNTERS.length * 8),
    databases: new SharedArrayBuffer(8),
    commits: new SharedArrayBuffer(4),
    pageDrops: PageDrops.allocate(),
    trust: new SharedArrayBuffer(8),
    preallocatedFiles: new SharedArrayBuffer(16),
    cuts: RecentCuts.allocate(),
    passthrough: new SharedArrayBuffer(24),
    closed: SharedQueue.allocate(cacheLimits.groupCommitQueue),
  }
  // Not where the process before began: its opens may still be there.
  new Int32Array(buffers.passthrough)[4] = randomInt(2 ** 31)
  const entries = openEntries(buffers)
  for (let at = 1; at <= cacheLimits.openInodes; at++) {
    entries[at * FIELDS + NEXT] = at === cacheLimits.openInodes ? 0 : at + 1
  }
  new Int32Array(buffers.free)[1] = 1
  return buffers
}

function openEntries({ entries }: SharedBuffers): Float64Array {
  return new Float64Array(typeof entries === 'string' ? mapFile(entries, TABLE_BYTES) : entries)
}

export class SharedState {
  /** Order write transactions on the node's database and on the metadata database. */
  readonly nodeDatabase: SharedMutex
  readonly metadataDatabase: SharedMutex
  /** Inodes that were closed, for cache/write/group-commit.ts. */
  readonly closed: SharedQueue
  readonly pageDrops: PageDrops
  readonly cuts: RecentCuts
  /** The table of open inodes outlives the process. */
  readonly isPersistent: boolean
  /** Memory of request-journal.ts. */
  readonly requestRecords: Float64Array
  /** Memory of spare-files.ts. */
  readonly preallocatedNumbers: BigInt64Array
  readonly #locks: SharedMutex
  readonly #chunkGenerations: Int32Array
  readonly #fileGenerations: Int32Array
  readonly #heads: Int32Array
  readonly #entries: Float64Array
  readonly #free: Int32Array
  readonly #freeLock: SharedMutex
  readonly #counters: BigInt64Array
  readonly #commits: Int32Array
  readonly #trust: Float64Array
  readonly #passthrough: Int32Array

  constructor(buffers: SharedBuffers) {
    this.#locks = new SharedMutex(new Int32Array(buffers.locks))
    this.#chunkGenerations = new Int32Array(buffers.chunkGenerations)
    this.#fileGenerations = new Int32Array(buffers.fileGenerations)
    this.#heads = new Int32Array(buffers.heads)
    this.isPersistent = typeof buffers.entries === 'string'
    this.closed = new SharedQueue(buffers.closed)
    this.pageDrops = new PageDrops(buffers.pageDrops)
    this.cuts = new RecentCuts(buffers.cuts)
    const table = openEntries(buffers)
    this.#entries = table.subarray(0, ENTRY_NUMBERS)
    this.requestRecords = table.subarray(ENTRY_NUMBERS)
    this.#free = new Int32Array(buffers.free)
    this.#freeLock = new SharedMutex(this.#free)
    this.#counters = new BigInt64Array(buffers.counters)
    this.#commits = new Int32Array(buffers.commits)
    this.#trust = new Float64Array(buffers.trust)
    this.#passthrough = new Int32Array(buffers.passthrough)
    this.preallocatedNumbers = new BigInt64Array(buffers.preallocatedFiles)
    const databases = new Int32Array(buffers.databases)
    this.nodeDatabase = new SharedMutex(databases.subarray(0, 1))
    this.metadataDatabase = new SharedMutex(databases.subarray(1, 2))
  }

  /** Runs `section` while no other thread works on the inode. */
  withInode<T>(ino: number, section: () => T): T {
    return this.#locks.with(ino % SLOTS, section)
  }

  /**
   * Runs `section` while no other thread works on any of the inodes. For the main thread alone: of
   * two threads that wait for several locks each could have what the other waits for.
   */
  withAllInodes<T>(inos: Iterable<number>, section: () => T): T {
    const slots = [...new Set(Array.from(inos, (ino) => ino % SLOTS))]
    for (const slot of slots) this.#locks.lock(slot)
    try {
      return section()
    } finally {
      for (const slot of slots) this.#locks.unlock(slot)
    }
  }

  /**
   * Runs `section` for those of the inodes that no other thread works on, while none does, and then
   * for each of the others by itself.
   */
  withInodes(inos: ReadonlySet<number>, section: (inos: ReadonlySet<number>) => void): void {
    const slots = new Set<number>()
    const busy: number[] = []
    try {
      for (const ino of inos) {
        const slot = ino % SLOTS
        if (slots.has(slot) || this.#locks.tryLock(slot)) slots.add(slot)
        else busy.push(ino)
      }
      if (busy.length < inos.size)
        section(busy.length === 0 ? inos : inos.difference(new Set(busy)))
    } finally {
      for (const slot of slots) this.#locks.unlock(slot)
    }
    for (const ino of busy) this.withInode(ino, () => section(new Set([ino])))
  }

  chunkGeneration(ino: number): number {
    return Atomics.load(this.#chunkGenerations, ino % SLOTS)
  }

  /** Chunks were committed, evicted or cut: what threads remember of them is void. */
  bumpChunks(ino: number): void {
    Atomics.add(this.#chunkGenerations, ino % SLOTS, 1)
  }

  fileGeneration(ino: number): number {
    return Atomics.load(this.#fileGenerations, ino % SLOTS)
  }

  /**
   * The backing file was removed or replaced: open descriptors of it are void. Afterwards: who
   * opens it without a lock takes what is there then for what is valid.
   */
  bumpFile(ino: number): void {
    Atomics.add(this.#fileGenerations, ino % SLOTS, 1)
    Atomics.add(this.#passthrough, 5, 1)
  }

  /** Grows with each `bumpFile`. */
  get fileChanges(): number {
    return Atomics.load(this.#passthrough, 5)
  }

  /** Before the kernel is made to forget pages of it: see OpenInode.forgotten. */
  noteInvalidated(ino: number): void {
    this.withInode(ino, () => {
      const open = this.findOpen(ino)
      if (open) open.invalidated = true
    })
  }

  /** Until when this node's copy of the metadata may be believed: ms, monotonic clock. */
  get validUntilMs(): number {
    return this.#trust[0] ?? 0
  }
  set validUntilMs(ms: number) {
    this.#trust[0] = ms
  }

  /** The kernel may be told to read files by itself. */
  get passthrough(): boolean {
    return Atomics.load(this.#passthrough, 0) !== 0
  }
  set passthrough(value: boolean) {
    Atomics.store(this.#passthrough, 0, value ? 1 : 0)
  }

  /** A file that the kernel reads past its page cache can be mapped by programs nevertheless. */
  get directMaps(): boolean {
    return Atomics.load(this.#passthrough, 3) !== 0
  }
  set directMaps(value: boolean) {
    Atomics.store(this.#passthrough, 3, value ? 1 : 0)
  }

  /** Grows when a directory may ask for another durability than before: see DurabilityGate. */
  get policies(): number {
    return Atomics.load(this.#passthrough, 2)
  }
  countPolicy(): void {
    Atomics.add(this.#passthrough, 2, 1)
  }

  /** Grows when descriptors that are void should be closed, and not only when they are used. */
  get fileEpoch(): number {
    return Atomics.load(this.#passthrough, 1)
  }
  beginFileEpoch(): void {
    Atomics.add(this.#passthrough, 1, 1)
  }

  /** False: nobody has it open (asked without the lock: true may be another inode's). */
  mayBeOpen(ino: number): boolean {
    return Atomics.load(this.#heads, ino % SLOTS) !== 0
  }

  findOpen(ino: number): OpenInode | undefined {
    let at = Atomics.load(this.#heads, ino % SLOTS)
    while (at !== 0) {
      if (this.#entries[at * FIELDS + INO] === ino) return new OpenInode(this.#entries, at)
      at = this.#entries[at * FIELDS + NEXT] ?? 0
    }
    return undefined
  }

  /** The entry of an inode, made where there is none. ENFILE: too many inodes are open. */
  addOpen(ino: number): OpenInode {
    const found = this.findOpen(ino)
    if (found) return found
    const at = this.#takeFree()
    const base = at * FIELDS
    this.#entries.fill(0, base, base + FIELDS)
    this.#entries[base + INO] = ino
    this.#entries[base + NEXT] = Atomics.load(this.#heads, ino % SLOTS)
    Atomics.store(this.#heads, ino % SLOTS, at)
    return new OpenInode(this.#entries, at)
  }

  /** A number for an open of the mount, which none of the last 2^32 had. */
  nextOpen(): number {
    return Atomics.add(this.#passthrough, 4, 1) >>> 0
  }

  /** Whether more inodes can be open; those that come at once may take the last places. */
  hasFree(): boolean {
    return Atomics.load(this.#free, 1) !== 0
  }

  /**
   * Unless it says what nothing else does: that programs may write it unseen, or open it yet, or
   * what others are told of it.
   */
  removeOpen(ino: number): void {
    const slot = ino % SLOTS
    let before = 0
    let at = Atomics.load(this.#heads, slot)
    while (at !== 0 && this.#entries[at * FIELDS + INO] !== ino) {
      before = at
      at = this.#entries[at * FIELDS + NEXT] ?? 0
    }
    if (at === 0) return
    const open = new OpenInode(this.#entries, at)
    if (open.mapped || open.outlived || open.known || open.listed) return
    const next = this.#entries[at * FIELDS + NEXT] ?? 0
    if (before === 0) Atomics.store(this.#heads, slot, next)
    else this.#entries[before * FIELDS + NEXT] = next
    this.#freeLock.with(0, () => {
      this.#entries[at * FIELDS + INO] = 0
      this.#entries[at * FIELDS + NEXT] = this.#free[1] ?? 0
      this.#free[1] = at
    })
  }

  /** Inodes with content that is not committed; asked without locks, so only a hint. */
  dirtyInodes(): number[] {
    return this.#flagged(DIRTY | COMMITTING)
  }

  /** Inodes that programs may have mapped; a hint as well. */
  mappedInodes(): number[] {
    return this.#flagged(MAPPED)
  }

  /** Inodes that the kernel may write by itself; a hint as well. */
  passthroughWritten(): number[] {
    return this.#flagged(KERNEL_WRITES)
  }

  /** Inodes without a name that are kept; a hint as well. */
  orphanInodes(): number[] {
    return this.#flagged(UNLINKED)
  }

  /** Inodes that only this node may write; a hint as well. */
  leasedInodes(): number[] {
    return this.#flagged(LEASED)
  }

  /** Inodes that the coordinator knows to be open for writing here; a hint as well. */
  listedInodes(): number[] {
    return this.#flagged(LISTED)
  }

  #flagged(bits: number): number[] {
    const found: number[] = []
    for (let base = FIELDS; base < this.#entries.length; base += FIELDS) {
      const ino = this.#entries[base + INO] ?? 0
      if (ino !== 0 && ((this.#entries[base + FLAGS] ?? 0) & bits) !== 0) found.push(ino)
    }
    return found
  }

  counter(name: CounterName): number {
    return Number(Atomics.load(this.#counters, POSITION[name]))
  }

  setCounter(name: CounterName, value: number): void {
    Atomics.store(this.#counters, POSITION[name], BigInt(Math.round(value)))
  }

  add(name: CounterName, delta: number): void {
    if (delta !== 0) Atomics.add(this.#counters, POSITION[name], BigInt(Math.round(delta)))
  }

  /** So many bytes more are on the disk. What is really free is measured from time to time. */
  occupy(bytes: number): void {
    this.add('usedBytes', bytes)
    this.add('freeBytes', -bytes)
  }

  /** Tells the uploader that the journal grew. */
  announceCommit(): void {
    Atomics.add(this.#commits, 0, 1)
    Atomics.notify(this.#commits, 0)
  }

  get commits(): number {
    return Atomics.load(this.#commits, 0)
  }

  /** Resolves when there were commits since `seen`, or after `timeoutMs`. */
  async nextCommit(seen: number, timeoutMs: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#commits, 0, seen, timeoutMs)
    // A wait on shared memory alone does not keep the process alive: it would end in the middle.
    const alive = setTimeout(() => undefined, timeoutMs)
    if (wait.async) await wait.value
    clearTimeout(alive)
  }

  #takeFree(): number {
    return this.#freeLock.with(0, () => {
      const at = this.#free[1] ?? 0
      if (at === 0) {
        throw new FsError('ENFILE', `more than ${cacheLimits.openInodes} files are open at once`)
      }
      this.#free[1] = this.#entries[at * FIELDS + NEXT] ?? 0
      return at
    })
  }
}

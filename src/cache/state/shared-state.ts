/**
 * Memory that the threads of one node share, beside the databases: a lock per inode slot,
 * generations that invalidate what threads have cached of an inode, the table of open inodes, and
 * the counters by which writers are throttled.
 *
 * Inodes share the slots of fixed arrays (slot = inode modulo number of slots). Two inodes in one
 * slot sometimes wait for each other or invalidate too much, never too little.
 *
 * Invariant: the fields of an open inode are read and written only under the lock of its slot.
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
/** Counters; bytes unless the name or a comment gives another unit. */
const COUNTERS = [
  'usedBytes',
  'unsyncedBytes',
  'freeBytes',
  'hits',
  'hitBytes',
  'misses',
  /** Bytes of files that the kernel reads or writes itself; they are not evictable. */
  'passedBytes',
  'passedOpens',
  /** 1 while the oldest write that is not durable is older than its bound. */
  'overdue',
  /** Number of lost chunks (cache/checks/lost-chunks.ts). */
  'lostChunks',
  /** Clean chunks found absent or damaged since the start; they are fetched again. */
  'damagedChunks',
  /** How often SQLite found damage in the node database, and in the metadata database. */
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
  /** A path: the table is in that file, for the next process (open-table.ts). */
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

/** Numbers of the table of open inodes; the records of the request journal follow them. */
export const ENTRY_NUMBERS = (cacheLimits.openInodes + 1) * FIELDS
const TABLE_BYTES = (ENTRY_NUMBERS + JOURNAL_NUMBERS) * 8

/** `openTable`: path of the file for the table of open inodes. */
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
  // Random, because opens that the previous process numbered may still exist.
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
  /** Orders write transactions on the node database, and on the metadata database. */
  readonly nodeDatabase: SharedMutex
  readonly metadataDatabase: SharedMutex
  /** Inodes that were closed, for cache/write/group-commit.ts. */
  readonly closed: SharedQueue
  readonly pageDrops: PageDrops
  readonly cuts: RecentCuts
  /** Whether the table of open inodes outlives the process. */
  readonly isPersistent: boolean
  /** Memory of request-journal.ts. */
  readonly requestRecords: Float64Array
  /** Memory of preallocated-files.ts. */
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
   * Runs `section` while no other thread works on any of the inodes. Only the main thread may call
   * it: two threads that each wait for several locks could deadlock.
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
   * Runs `section` for all inodes whose locks are free, with these locks held, and then for each of
   * the others alone.
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

  /** Invalidates what threads have cached of the chunks, after a commit, eviction or truncate. */
  bumpChunks(ino: number): void {
    Atomics.add(this.#chunkGenerations, ino % SLOTS, 1)
  }

  fileGeneration(ino: number): number {
    return Atomics.load(this.#fileGenerations, ino % SLOTS)
  }

  /**
   * Invalidates descriptors of the backing file, which was removed or replaced. Call after the
   * change: a thread that opens the file without the lock takes the descriptor for valid in the
   * generation that it read.
   */
  bumpFile(ino: number): void {
    Atomics.add(this.#fileGenerations, ino % SLOTS, 1)
    Atomics.add(this.#passthrough, 5, 1)
  }

  /** Increases with each `bumpFile`. */
  get fileChanges(): number {
    return Atomics.load(this.#passthrough, 5)
  }

  /** Call before the page cache of the inode is invalidated: see OpenInode.invalidated. */
  noteInvalidated(ino: number): void {
    this.withInode(ino, () => {
      const open = this.findOpen(ino)
      if (open) open.invalidated = true
    })
  }

  /** Time at which the metadata lease of this node ends, ms on the monotonic clock. */
  get validUntilMs(): number {
    return this.#trust[0] ?? 0
  }
  set validUntilMs(ms: number) {
    this.#trust[0] = ms
  }

  /** Whether files may be opened for passthrough reads. */
  get passthrough(): boolean {
    return Atomics.load(this.#passthrough, 0) !== 0
  }
  set passthrough(value: boolean) {
    Atomics.store(this.#passthrough, 0, value ? 1 : 0)
  }

  /** Whether programs can map a file whose reads bypass the page cache. */
  get directMaps(): boolean {
    return Atomics.load(this.#passthrough, 3) !== 0
  }
  set directMaps(value: boolean) {
    Atomics.store(this.#passthrough, 3, value ? 1 : 0)
  }

  /** Increases when a durability policy of a directory may have changed: see DurabilityGate. */
  get policies(): number {
    return Atomics.load(this.#passthrough, 2)
  }
  countPolicy(): void {
    Atomics.add(this.#passthrough, 2, 1)
  }

  /**
   * Increases when invalid descriptors must be closed now, and not only when they are next used.
   */
  get fileEpoch(): number {
    return Atomics.load(this.#passthrough, 1)
  }
  beginFileEpoch(): void {
    Atomics.add(this.#passthrough, 1, 1)
  }

  /** False: nobody has the inode open. True, without the lock, may be due to another inode. */
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

  /** Entry of an inode, created if there is none. ENFILE: too many inodes are open. */
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

  /** Number for an open by the mount, different from the last 2^32 numbers. */
  nextOpen(): number {
    return Atomics.add(this.#passthrough, 4, 1) >>> 0
  }

  /** Whether the table has a free entry. Concurrent opens may take the last ones. */
  hasFree(): boolean {
    return Atomics.load(this.#free, 1) !== 0
  }

  /**
   * Removes the entry of an inode, unless it is the only record that programs may write the inode
   * untracked or may yet open it, or that the coordinator lists it as open for writing.
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

  /** Inodes with uncommitted content. A hint, because no locks are taken. */
  dirtyInodes(): number[] {
    return this.#flagged(DIRTY | COMMITTING)
  }

  /** Inodes that programs may have mapped; also a hint. */
  mappedInodes(): number[] {
    return this.#flagged(MAPPED)
  }

  /** Inodes that the kernel may write itself; also a hint. */
  passthroughWritten(): number[] {
    return this.#flagged(KERNEL_WRITES)
  }

  /** Open unlinked files; also a hint. */
  orphanInodes(): number[] {
    return this.#flagged(UNLINKED)
  }

  /** Inodes for which this node has the write lease; also a hint. */
  leasedInodes(): number[] {
    return this.#flagged(LEASED)
  }

  /** Inodes that the coordinator lists as open for writing on this node; also a hint. */
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

  /** Counts bytes as used on the disk. The free space is measured from time to time. */
  occupy(bytes: number): void {
    this.add('usedBytes', bytes)
    this.add('freeBytes', -bytes)
  }

  /** Wakes the uploader after the journal has grown. */
  announceCommit(): void {
    Atomics.add(this.#commits, 0, 1)
    Atomics.notify(this.#commits, 0)
  }

  get commits(): number {
    return Atomics.load(this.#commits, 0)
  }

  /** Resolves after a commit since `seen`, or after `timeoutMs`. */
  async nextCommit(seen: number, timeoutMs: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#commits, 0, seen, timeoutMs)
    // Atomics.waitAsync does not keep the process alive, which would exit during the wait.
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

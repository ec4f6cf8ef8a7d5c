/**
 * Passthrough reads: the kernel reads files itself, at the speed of the disk. This is decided when
 * nobody has the file open: an open for reading uses passthrough if the whole file is cached and
 * committed.
 *
 * The kernel requires (fs/fuse/iomode.c) that while one open of an inode uses passthrough, all do,
 * with the same backing id. Opens for writing in that time use it for mappings only: their reads
 * and writes are sent to this process (`directIo`), and mmap-writes.ts finds their mmap writes. If
 * the kernel already writes the file itself (passthrough-writes.ts), it does so for all of them.
 *
 * Invariants, under the lock of the inode:
 * - `open.backing` is the same for all opens by the kernel, also in the next process;
 * - no bytes that a reader may still need are removed from a file that ever used passthrough: see
 *   void-bytes.ts.
 */
import { NotStarted } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import { RateLimiter } from '../../base/async/rate-limiter.ts'
import { O_ACCMODE, O_RDWR, O_WRONLY } from '../../base/open-bits.ts'
import { cacheLimits } from '../limits.ts'
import type { KernelBackings } from './kernel-backings.ts'
import type { MmapWrites } from './mmap-writes.ts'
import type { WaitCondition } from '../waiting/wait-condition.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { PassthroughWrites } from './passthrough-writes.ts'
import type { CurrentContent } from '../state/current-content.ts'
import type { LostChunks } from '../checks/lost-chunks.ts'
import type { OpenInode } from '../state/open-inode.ts'
import type { PresenceCache } from '../state/presence-cache.ts'

/** Reply of an open that uses passthrough. */
export interface PassthroughRead {
  backing: number
  /** Its reads and writes are sent to this process nevertheless. */
  directIo: boolean
}

export interface PassthroughParts {
  settings: CacheSettings
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  files: BackingFiles
  backings: KernelBackings
  index: ChunkIndex
  passthroughWrites: PassthroughWrites
  content: CurrentContent
  lost: LostChunks
  presence: PresenceCache
}

export class Passthrough {
  readonly #parts: PassthroughParts
  readonly #mapped: MmapWrites
  readonly #limiter = new RateLimiter(
    cacheLimits.passthroughWriteBurst,
    cacheLimits.passthroughWriteEveryMs,
  )

  constructor(parts: PassthroughParts, mapped: MmapWrites) {
    this.#parts = parts
    this.#mapped = mapped
  }

  /** How an open uses passthrough; undefined: this process serves it. The inode is already open. */
  join(ino: number, flags: number): PassthroughRead | undefined {
    const { shared } = this.#parts
    if (!shared.passthrough && !shared.mayBeOpen(ino)) return undefined
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open === undefined) return undefined
      if (open.backing === 0) {
        return this.#mayBegin(ino, open, flags) ? this.#begin(ino, open) : undefined
      }
      const mode = flags & O_ACCMODE
      if (open.passthroughWrites && mode !== O_WRONLY) this.#parts.files.markPassthrough(ino)
      if (!open.passthroughWrites) this.#requireWhole(ino)
      if (mode === O_RDWR) this.#beginMapped(ino, open)
      return { backing: open.backing, directIo: mode !== 0 && !open.passthroughWrites }
    })
  }

  /**
   * As `join`, for a file that is new or was emptied, and whose commit nobody waits for: the kernel
   * then writes it itself.
   */
  joinWriting(ino: number, flags: number): PassthroughRead | undefined {
    const { shared, files, passthroughWrites, content } = this.#parts
    if (!shared.passthrough) return undefined
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.backing !== 0 || !passthroughWrites.mayBegin(ino, flags)) return undefined
      if (content.size(ino) !== 0) return undefined
      // For many small files it costs more than it gains.
      if (!this.#limiter.take()) return undefined
      const id = this.#number(ino, () => files.make(ino))
      if (id === undefined) return undefined
      open.backing = id
      passthroughWrites.begin(ino, open)
      shared.add('passedOpens', 1)
      return { backing: id, directIo: false }
    })
  }

  /**
   * Prepares for mmap writes. EBUSY if a mapping is not allowed: the kernel would map the backing
   * file in any case, so the open has to fail.
   */
  #beginMapped(ino: number, open: OpenInode): void {
    if (this.#parts.index.isRemote && !open.mayMap) {
      const why = `another node has inode ${ino} open for writing, and it is read here`
      throw new FsError('EBUSY', `${why}: one of them has to close it first`)
    }
    this.#mapped.begin(ino, open)
  }

  /** Marks chunks with mmap writes dirty. */
  absorb(ino: number): void {
    this.#mapped.absorb(ino)
  }

  #mayBegin(ino: number, open: OpenInode, flags: number): boolean {
    const { shared, settings } = this.#parts
    if (!shared.passthrough || (flags & O_ACCMODE) !== 0) return false
    if (open.kernelOpens !== 1 || open.ahead) return false
    const size = this.#parts.content.size(ino)
    const most = settings.capacityBytes * cacheLimits.passthroughShare
    if (size < settings.passthroughFromBytes || shared.counter('passedBytes') + size > most)
      return false
    this.#parts.lost.requireBytes(ino)
    return this.#isWhole(ino, size)
  }

  /**
   * Whether all chunks are present. Holes count as absent: mmap writes to them could not be
   * accounted for.
   */
  #isWhole(ino: number, size: number): boolean {
    const { database, chunks, index, settings, presence, files } = this.#parts
    const known = presence.of(ino)
    if (known.whole) return true
    const count = Math.ceil(size / settings.chunkSize)
    if (index.count(ino) !== count || chunks.count(ino) !== count) return false
    const last = index.find(ino, count - 1)
    if (last === undefined) return false
    const end = last.index * settings.chunkSize + last.length
    const there = files.stat(ino)?.size ?? 0
    if (there < end) return false
    // Something other than this daemon made it longer.
    if (there !== size) files.truncate(ino, size)
    database.transaction(() => {
      chunks.touchAll(ino, Date.now())
    })
    known.whole = true
    return true
  }

  #begin(ino: number, open: OpenInode): PassthroughRead | undefined {
    const { shared, files } = this.#parts
    const id = this.#number(ino, () => files.markPassthrough(ino))
    if (id === undefined) return undefined
    open.backing = id
    open.passthroughBytes = this.#parts.content.size(ino)
    shared.add('passedBytes', open.passthroughBytes)
    shared.add('passedOpens', 1)
    return { backing: id, directIo: false }
  }

  /**
   * Prepares the file and registers it with the kernel; returns the id, or undefined if that fails.
   */
  #number(ino: number, prepare: () => void): number | undefined {
    const { files, backings } = this.#parts
    try {
      prepare()
      return files.give(ino, (fd) => backings.open(fd))
    } catch {
      // For example, out of descriptors: this process can serve the file as well.
      return undefined
    }
  }

  /**
   * Waits until chunks that another node has changed are present, before the file is opened again.
   */
  #requireWhole(ino: number): void {
    const { presence } = this.#parts
    this.#parts.lost.requireBytes(ino)
    const known = presence.of(ino)
    if (known.whole) return
    const first = this.#parts.content.firstAbsent(ino)
    if (first === undefined) {
      this.#extendToSize(ino)
      known.whole = true
      return
    }
    const last = Math.ceil(this.#parts.content.size(ino) / this.#parts.settings.chunkSize) - 1
    const condition: WaitCondition = { kind: 'chunks', ino, first, last, reading: false }
    throw new NotStarted(condition)
  }

  /** Extends the backing file to the size, because passthrough readers see its end. */
  #extendToSize(ino: number): void {
    const { files, content } = this.#parts
    const size = content.size(ino)
    if ((files.stat(ino)?.size ?? 0) < size) files.truncate(ino, size)
  }
}

/** Ends passthrough after the last open by the kernel. Call under the lock of the inode. */
export function endPassthrough(
  { shared, backings }: { shared: SharedState; backings: KernelBackings },
  open: OpenInode,
): void {
  const { backing, passthroughBytes } = open
  if (backing === 0) return
  // In this order: a closed id may belong to another file by the time a successor reads it.
  open.backing = 0
  open.passthroughBytes = 0
  shared.add('passedBytes', -passthroughBytes)
  backings.close(backing)
}

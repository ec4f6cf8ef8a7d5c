/**
 * Files that the kernel reads by itself, at the speed of the disk: this process is not asked for
 * their bytes. Decided anew whenever nobody has a file open: then an open for reading of a file
 * that is all here, and committed, is passed through.
 *
 * What the kernel demands (fs/fuse/iomode.c): as long as one open of an inode is passed through,
 * all are, by the same number. So opens for writing that come meanwhile are passed through as well,
 * but for mappings only: their reads and writes come here (`directIo`), and what they write by way
 * of memory is found by mmap-writes.ts. Unless the kernel writes the file by itself already
 * (passthrough-writes.ts): then it does so for all of them.
 *
 * Invariants, under the inode's lock:
 * - `open.backing` is what all opens of the kernel have in common, also in the next process;
 * - from a file that was ever passed through no bytes go that a reader may miss: see `dropBytes`.
 */
import { Suspended } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import { RateLimiter } from '../../base/async/rate-limiter.ts'
import { O_ACCMODE, O_RDWR, O_WRONLY } from '../../base/open-bits.ts'
import { cacheLimits } from '../limits.ts'
import type { KernelBackings } from './kernel-backings.ts'
import { requireBytes } from '../checks/lost-chunks.ts'
import { beginPassthroughWrites, mayPassthroughWrite } from './passthrough-writes.ts'
import type { MmapWrites } from './mmap-writes.ts'
import type { WaitCondition } from '../waiting/wait-condition.ts'
import type { NodeCache } from '../state/node-cache.ts'
import type { OpenInode } from '../state/open-inode.ts'

/** What the kernel is told of an open. */
export interface PassthroughRead {
  backing: number
  /** Its reads and writes come here nevertheless. */
  directIo: boolean
}

export class Passthrough {
  readonly #cache: NodeCache
  readonly #mapped: MmapWrites
  readonly #limiter = new RateLimiter(
    cacheLimits.passthroughWriteBurst,
    cacheLimits.passthroughWriteEveryMs,
  )

  constructor(cache: NodeCache, mapped: MmapWrites) {
    this.#cache = cache
    this.#mapped = mapped
  }

  /** How an open is passed through; undefined: it is served here. The inode is open already. */
  join(ino: number, flags: number): PassthroughRead | undefined {
    const { shared } = this.#cache
    if (!shared.passthrough && !shared.mayBeOpen(ino)) return undefined
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open === undefined) return undefined
      if (open.backing === 0) {
        return this.#mayBegin(ino, open, flags) ? this.#begin(ino, open) : undefined
      }
      const mode = flags & O_ACCMODE
      if (open.passthroughWrites && mode !== O_WRONLY) this.#cache.files.markPassthrough(ino)
      if (!open.passthroughWrites) this.#requireWhole(ino)
      if (mode === O_RDWR) this.#beginMapped(ino, open)
      return { backing: open.backing, directIo: mode !== 0 && !open.passthroughWrites }
    })
  }

  /**
   * As `join`, of a new file, or of one that was emptied, where nobody waits for its commit. The
   * kernel writes it by itself then.
   */
  joinWriting(ino: number, flags: number): PassthroughRead | undefined {
    const { shared, files } = this.#cache
    if (!shared.passthrough) return undefined
    return shared.withInode(ino, () => {
      const open = shared.findOpen(ino)
      if (open?.backing !== 0 || !mayPassthroughWrite(this.#cache, ino, flags)) return undefined
      // For many small files it costs more than it gives.
      if (!this.#limiter.take()) return undefined
      const id = this.#number(ino, () => files.make(ino))
      if (id === undefined) return undefined
      open.backing = id
      beginPassthroughWrites(this.#cache, ino, open)
      shared.add('passedOpens', 1)
      return { backing: id, directIo: false }
    })
  }

  /** The kernel would map the file itself, whatever is done about the open: then there is none. */
  #beginMapped(ino: number, open: OpenInode): void {
    if (this.#cache.index.isRemote && !open.mayMap) {
      const why = `another node has inode ${ino} open for writing, and it is read here`
      throw new FsError('EBUSY', `${why}: one of them has to close it first`)
    }
    this.#mapped.begin(ino, open)
  }

  /** What was written by way of memory counts as written from here on. */
  absorb(ino: number): void {
    this.#mapped.absorb(ino)
  }

  #mayBegin(ino: number, open: OpenInode, flags: number): boolean {
    const { shared, settings } = this.#cache
    if (!shared.passthrough || (flags & O_ACCMODE) !== 0) return false
    if (open.kernelOpens !== 1 || open.ahead) return false
    const size = this.#cache.sizeOf(ino)
    const most = settings.capacityBytes * cacheLimits.passthroughShare
    if (size < settings.passthroughFromBytes || shared.counter('passedBytes') + size > most)
      return false
    requireBytes(this.#cache, ino)
    return this.#isWhole(ino, size)
  }

  /** Holes count as missing: there would be no bytes to account for what is mapped there. */
  #isWhole(ino: number, size: number): boolean {
    const { database, index, settings, memory, files } = this.#cache
    const known = memory.of(ino)
    if (known.whole) return true
    const chunks = Math.ceil(size / settings.chunkSize)
    if (index.count(ino) !== chunks || database.countChunks(ino) !== chunks) return false
    const last = index.find(ino, chunks - 1)
    if (last === undefined) return false
    const end = last.index * settings.chunkSize + last.length
    const there = files.stat(ino)?.size ?? 0
    if (there < end) return false
    // Longer: by somebody else's doing.
    if (there !== size) files.truncate(ino, size)
    database.transaction(() => {
      database.touchChunks(ino, Date.now())
    })
    known.whole = true
    return true
  }

  #begin(ino: number, open: OpenInode): PassthroughRead | undefined {
    const { shared, files } = this.#cache
    const id = this.#number(ino, () => files.markPassthrough(ino))
    if (id === undefined) return undefined
    open.backing = id
    open.passthroughBytes = this.#cache.sizeOf(ino)
    shared.add('passedBytes', open.passthroughBytes)
    shared.add('passedOpens', 1)
    return { backing: id, directIo: false }
  }

  /** What the kernel knows the file by from here on, once it is as it has to be. */
  #number(ino: number, prepare: () => void): number | undefined {
    const { files, backings } = this.#cache
    try {
      prepare()
      return files.give(ino, (fd) => backings.open(fd))
    } catch {
      // Out of descriptors, say: the file can be served here as well.
      return undefined
    }
  }

  /** What another node has changed has to be here before anybody opens the file again. */
  #requireWhole(ino: number): void {
    const { memory } = this.#cache
    requireBytes(this.#cache, ino)
    const known = memory.of(ino)
    if (known.whole) return
    const first = firstAbsent(this.#cache, ino)
    if (first === undefined) {
      extendToSize(this.#cache, ino)
      known.whole = true
      return
    }
    const last = Math.ceil(this.#cache.sizeOf(ino) / this.#cache.settings.chunkSize) - 1
    const condition: WaitCondition = { kind: 'chunks', ino, first, last, reading: false }
    throw new Suspended(condition)
  }
}

/** The last open of the kernel is gone; under the inode's lock. */
export function endPassthrough(
  { shared, backings }: { shared: NodeCache['shared']; backings: KernelBackings },
  open: OpenInode,
): void {
  const { backing, passthroughBytes } = open
  if (backing === 0) return
  // In this order: a number that was closed may be another file's by the time a successor reads it.
  open.backing = 0
  open.passthroughBytes = 0
  shared.add('passedBytes', -passthroughBytes)
  backings.close(backing)
}

/** The first chunk of the content that is not here; under the inode's lock. */
export function firstAbsent(cache: NodeCache, ino: number, from = 0): number | undefined {
  const { database, index, settings } = cache
  const chunks = Math.ceil(cache.sizeOf(ino) / settings.chunkSize)
  for (let at = from; at < chunks; at++) {
    if (!database.chunk(ino, at) && index.find(ino, at)) return at
  }
  return undefined
}

/** Who reads the file itself sees its end where it is. */
function extendToSize(cache: NodeCache, ino: number): void {
  const size = cache.sizeOf(ino)
  if ((cache.files.stat(ino)?.size ?? 0) < size) cache.files.truncate(ino, size)
}

/**
 * Takes the bytes of a chunk away that are of no content any more. From a file that the kernel
 * reads, or programs may have mapped, they go when the next content takes their place.
 */
export function dropBytes(cache: NodeCache, ino: number, at: number): void {
  const { files, index, settings } = cache
  if (files.isPassthrough(ino) && index.find(ino, at)) return
  files.punch(ino, at * settings.chunkSize, settings.chunkSize)
}

/** What `dropBytes` has left, and is of no chunk any more, goes; under the inode's lock. */
export function closeGaps(cache: NodeCache, ino: number): void {
  const { database, files, index, settings } = cache
  if (!files.isPassthrough(ino)) return
  const chunks = Math.ceil((files.stat(ino)?.size ?? 0) / settings.chunkSize)
  for (let at = 0; at < chunks; at++) {
    const isUsed = index.find(ino, at) ?? database.chunk(ino, at)
    if (!isUsed) files.punch(ino, at * settings.chunkSize, settings.chunkSize)
  }
}

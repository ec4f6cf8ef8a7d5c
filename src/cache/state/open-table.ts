/**
 * The table of open inodes as a file, for a mount that outlives its process. Files that programs
 * had open when a process was killed are open in its successor. Uncommitted writes are found even
 * if the mount has ended (recovery.ts).
 *
 * Invariant: the table of the dead process is kept under a separate name until all of it was taken
 * over, so that nothing is lost if the successor dies as well.
 */
import { existsSync, lstatSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Timestamp } from '../../base/clock.ts'
import { loggerOf } from '../../base/log/logger.ts'
import { readPlainFile } from '../../base/plain-file.ts'
import { DamagedFolder } from '../../tiers/nvme/damaged-folder.ts'
import {
  BACKING,
  CTIME,
  CTIME_NSEC,
  DIRTY,
  EPOCH,
  FIELDS,
  FLAGS,
  FRESH,
  INO,
  KERNEL_OPENS,
  KERNEL_WRITES,
  KNOWN,
  LEASED,
  MAPPED,
  MAY_MAP,
  MTIME,
  MTIME_NSEC,
  PASSTHROUGH_BYTES,
  SEEN,
  SIZE,
  opensIn,
  writingIn,
} from './open-inode.ts'
import { RequestJournal } from './request-journal.ts'
import { ENTRY_NUMBERS, type SharedState } from './shared-state.ts'

/** Content that was written and not committed when the process ended. */
export interface WrittenInode {
  /** This table has the only record of the content. */
  fresh: boolean
  dirty: boolean
  /** The kernel wrote the file itself; the changed chunks have to be searched for. */
  passthroughWrites: boolean
  /** As `OpenInode.seenMs`. */
  seenMs: number
  /** Size of dirty content, bytes. */
  size: number
  mtime: Timestamp
  ctime: Timestamp
}

/** State that survived the process. */
export interface Surviving {
  /** Whether an inode has lost its last name; undefined: it was deleted. */
  isOrphan: (ino: number) => boolean | undefined
  /** Size of the backing file, bytes. */
  sizeOf: (ino: number) => number
  /** Releases a backing file that the kernel has under this id. */
  closeBacking: (id: number) => void
}

export class OpenTable {
  /** Path of the table of this process. */
  readonly path: string
  readonly #before: string
  readonly #numbers: Float64Array

  constructor(directory: string) {
    this.path = join(directory, 'open-inodes')
    this.#before = `${this.path}.before`
    for (const path of [this.path, this.#before]) requirePlain(directory, path)
    if (!existsSync(this.#before) && existsSync(this.path)) renameSync(this.path, this.#before)
    rmSync(this.path, { force: true })
    this.#numbers = numbersIn(this.#before)
  }

  /** Uncommitted writes of the previous process. */
  written(): Map<number, WrittenInode> {
    const found = new Map<number, WrittenInode>()
    const entries = this.#numbers.subarray(0, ENTRY_NUMBERS)
    for (let base = FIELDS; base + FIELDS <= entries.length; base += FIELDS) {
      const entry = entries.subarray(base, base + FIELDS)
      const [ino, flags] = [entry[INO]!, entry[FLAGS]!]
      if (ino === 0 || (flags & (DIRTY | KERNEL_WRITES)) === 0) continue
      found.set(ino, {
        fresh: (flags & FRESH) !== 0,
        dirty: (flags & DIRTY) !== 0,
        passthroughWrites: (flags & KERNEL_WRITES) !== 0,
        seenMs: entry[SEEN]!,
        size: (flags & DIRTY) === 0 ? 0 : entry[SIZE]!,
        mtime: { sec: entry[MTIME]!, nsec: entry[MTIME_NSEC]! },
        ctime: { sec: entry[CTIME]!, nsec: entry[CTIME_NSEC]! },
      })
    }
    return found
  }

  /** Removes the table of the previous process, all of which was taken over. */
  settled(): void {
    rmSync(this.#before, { force: true })
  }

  /** Opens what was open, for the same mount. Returns the inodes among it that have no name. */
  restore(shared: SharedState, { isOrphan, sizeOf, closeBacking }: Surviving): number[] {
    const numbers = this.#numbers
    if (numbers.length === 0) return []
    const opens = opensOf(numbers.subarray(0, ENTRY_NUMBERS))
    const records = numbers.subarray(ENTRY_NUMBERS)
    RequestJournal.inherit(shared.requestRecords, records, {
      redo: (ino, uses) => opens.set(ino, { ...(opens.get(ino) ?? NOT_OPEN), uses }),
      isBegun: (ino, offset) => sizeOf(ino) > offset,
    })
    for (const [ino, open] of opens) {
      const unlinked = isOrphan(ino)
      const isUsed = unlinked !== undefined && open.uses > 0
      if (open.backing !== 0 && !isUsed) {
        closeBacking(open.backing)
        Object.assign(open, { backing: 0, passthroughBytes: 0 })
      }
      const isKept = isUsed || open.leased || open.known || open.mapped
      if (isKept && unlinked !== undefined) {
        reopen(shared, ino, { ...open, unlinked })
      }
    }
    return [...opens.keys()].filter((ino) => isOrphan(ino) === true)
  }
}

/** Without a table, a start recovers what the databases know. */
function requirePlain(directory: string, path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== false) return
  const folder = new DamagedFolder(directory)
  folder.quarantine(path)
  loggerOf('CACHE').error(`${path} is not a file and was moved to ${folder.path}`)
}

/** The numbers in a table; none if there is no table. */
function numbersIn(path: string): Float64Array {
  if (!existsSync(path)) return new Float64Array(0)
  const { buffer, byteOffset, byteLength } = readPlainFile(path)
  return new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength - (byteLength % 8)))
}

interface KernelOpen {
  /** As `OpenInode.kernelUses`. */
  uses: number
  epoch: number
  leased: boolean
  /** As in `OpenInode`. */
  listed: boolean
  mayMap: boolean
  /** As `OpenInode.known`. */
  known: boolean
  backing: number
  passthroughBytes: number
  mapped: boolean
  passthroughWrites: boolean
  seenMs: number
}

const NOT_OPEN: KernelOpen = {
  uses: 0,
  epoch: 0,
  leased: false,
  listed: false,
  mayMap: false,
  known: false,
  backing: 0,
  passthroughBytes: 0,
  mapped: false,
  passthroughWrites: false,
  seenMs: -1,
}

function opensOf(entries: Float64Array): Map<number, KernelOpen> {
  const opens = new Map<number, KernelOpen>()
  for (let base = FIELDS; base < entries.length; base += FIELDS) {
    const ino = entries[base + INO] ?? 0
    const uses = entries[base + KERNEL_OPENS] ?? 0
    const epoch = entries[base + EPOCH] ?? 0
    const flags = entries[base + FLAGS] ?? 0
    const leased = (flags & LEASED) !== 0
    const known = (flags & KNOWN) !== 0
    const listed = writingIn(uses) > 0
    const mayMap = listed && (flags & MAY_MAP) !== 0
    const mapped = (flags & MAPPED) !== 0
    // Recovery decides about files that nobody has open any more.
    const passthroughWrites = (flags & KERNEL_WRITES) !== 0 && uses > 0
    const seenMs = passthroughWrites ? (entries[base + SEEN] ?? -1) : -1
    const backing = entries[base + BACKING] ?? 0
    const passthroughBytes = entries[base + PASSTHROUGH_BYTES] ?? 0
    const isKept = uses > 0 || leased || known || mapped || backing !== 0
    if (ino === 0 || !isKept) continue
    const passed = { backing, passthroughBytes, passthroughWrites, seenMs }
    opens.set(ino, { uses, epoch, leased, listed, mayMap, known, mapped, ...passed })
  }
  return opens
}

function reopen(
  shared: SharedState,
  ino: number,
  opened: KernelOpen & { unlinked: boolean },
): void {
  shared.withInode(ino, () => {
    const open = shared.addOpen(ino)
    const { uses, backing, passthroughBytes, passthroughWrites, ...others } = opened
    Object.assign(open, others)
    if (passthroughWrites) open.followWriters('begin')
    open.opens = opensIn(uses)
    open.kernelUses = uses
    // Only the previous process had a record of what the kernel has read.
    open.filled = true
    open.backing = backing
    open.passthroughBytes = passthroughBytes
    shared.add('passedBytes', passthroughBytes)
  })
}

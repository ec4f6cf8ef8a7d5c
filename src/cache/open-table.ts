/**
 * The table of open inodes as a file, for a mount that outlives its process: what programs had open
 * when a process was killed is open in its successor. What had been written is not its matter
 * (recovery.ts).
 *
 * Invariant: until everything was taken over, what the dead process left is kept under a name of
 * its own: a successor that dies as well loses nothing.
 */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  BACKING,
  EPOCH,
  FIELDS,
  FLAGS,
  INO,
  KERNEL_OPENS,
  LEASED,
  MAPPED,
  PASSED_BYTES,
} from './open-inode.ts'
import { RequestJournal } from './request-journal.ts'
import { ENTRY_NUMBERS, type SharedState } from './shared-state.ts'

/** What survived the process. */
export interface Surviving {
  /** Whether an inode has lost its last name; undefined: it is gone. */
  isNameless: (ino: number) => boolean | undefined
  /** Bytes of its backing file. */
  sizeOf: (ino: number) => number
  /** The kernel may forget what it knows by this number. */
  closeBacking: (id: number) => void
}

export class OpenTable {
  /** Where this process has its own. */
  readonly path: string
  readonly #before: string

  /** `resumed`: the mount is that of a process that died. */
  constructor(directory: string, { resumed }: { resumed: boolean }) {
    this.path = join(directory, 'open-inodes')
    this.#before = `${this.path}.before`
    if (!resumed) rmSync(this.#before, { force: true })
    else if (!existsSync(this.#before) && existsSync(this.path)) {
      renameSync(this.path, this.#before)
    }
    rmSync(this.path, { force: true })
  }

  /** Opens what was open; returns the inodes among it that have no name. */
  restore(shared: SharedState, { isNameless, sizeOf, closeBacking }: Surviving): number[] {
    if (!existsSync(this.#before)) return []
    const { buffer, byteOffset, byteLength } = readFileSync(this.#before)
    const copy = buffer.slice(byteOffset, byteOffset + byteLength - (byteLength % 8))
    const numbers = new Float64Array(copy)
    const opens = opensOf(numbers.subarray(0, ENTRY_NUMBERS))
    const records = numbers.subarray(ENTRY_NUMBERS)
    RequestJournal.inherit(shared.requestRecords, records, {
      redo: (ino, count) => opens.set(ino, { ...(opens.get(ino) ?? NOT_OPEN), count }),
      isBegun: (ino, offset) => sizeOf(ino) > offset,
    })
    for (const [ino, open] of opens) {
      const unlinked = isNameless(ino)
      const isUsed = unlinked !== undefined && open.count > 0
      if (open.backing !== 0 && !isUsed) {
        closeBacking(open.backing)
        Object.assign(open, { backing: 0, passedBytes: 0 })
      }
      if (isUsed || ((open.leased || open.mapped) && unlinked !== undefined)) {
        reopen(shared, ino, { ...open, unlinked })
      }
    }
    rmSync(this.#before)
    return [...opens.keys()].filter((ino) => isNameless(ino) === true)
  }
}

interface KernelOpen {
  count: number
  epoch: number
  leased: boolean
  backing: number
  passedBytes: number
  mapped: boolean
}

const NOT_OPEN: KernelOpen = {
  count: 0,
  epoch: 0,
  leased: false,
  backing: 0,
  passedBytes: 0,
  mapped: false,
}

function opensOf(entries: Float64Array): Map<number, KernelOpen> {
  const opens = new Map<number, KernelOpen>()
  for (let base = FIELDS; base < entries.length; base += FIELDS) {
    const ino = entries[base + INO] ?? 0
    const count = entries[base + KERNEL_OPENS] ?? 0
    const epoch = entries[base + EPOCH] ?? 0
    const flags = entries[base + FLAGS] ?? 0
    const leased = (flags & LEASED) !== 0
    const mapped = (flags & MAPPED) !== 0
    const backing = entries[base + BACKING] ?? 0
    const passedBytes = entries[base + PASSED_BYTES] ?? 0
    if (ino === 0 || (count === 0 && !leased && !mapped && backing === 0)) continue
    opens.set(ino, { count, epoch, leased, backing, passedBytes, mapped })
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
    const { count, backing, passedBytes, ...others } = opened
    Object.assign(open, others)
    open.opens = count
    open.kernelOpens = count
    open.backing = backing
    open.passedBytes = passedBytes
    open.seenMs = -1
    shared.add('passedBytes', passedBytes)
  })
}

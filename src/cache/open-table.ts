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
import { EPOCH, FIELDS, INO, KERNEL_OPENS } from './open-inode.ts'
import { RequestJournal } from './request-journal.ts'
import { ENTRY_NUMBERS, type SharedState } from './shared-state.ts'

/** What survived the process. */
export interface Surviving {
  /** Whether an inode has lost its last name; undefined: it is gone. */
  isNameless: (ino: number) => boolean | undefined
  /** Bytes of its backing file. */
  sizeOf: (ino: number) => number
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

  /** Opens what was open. */
  restore(shared: SharedState, { isNameless, sizeOf }: Surviving): void {
    if (!existsSync(this.#before)) return
    const { buffer, byteOffset, byteLength } = readFileSync(this.#before)
    const copy = buffer.slice(byteOffset, byteOffset + byteLength - (byteLength % 8))
    const numbers = new Float64Array(copy)
    const opens = opensOf(numbers.subarray(0, ENTRY_NUMBERS))
    const records = numbers.subarray(ENTRY_NUMBERS)
    RequestJournal.inherit(shared.requestRecords, records, {
      redo: (ino, count) => opens.set(ino, { count, epoch: opens.get(ino)?.epoch ?? 0 }),
      isBegun: (ino, offset) => sizeOf(ino) > offset,
    })
    for (const [ino, { count, epoch }] of opens) {
      const unlinked = isNameless(ino)
      if (count > 0 && unlinked !== undefined) reopen(shared, ino, { count, epoch, unlinked })
    }
    rmSync(this.#before)
  }
}

interface KernelOpen {
  count: number
  epoch: number
}

function opensOf(entries: Float64Array): Map<number, KernelOpen> {
  const opens = new Map<number, KernelOpen>()
  for (let base = FIELDS; base < entries.length; base += FIELDS) {
    const ino = entries[base + INO] ?? 0
    const count = entries[base + KERNEL_OPENS] ?? 0
    const epoch = entries[base + EPOCH] ?? 0
    if (ino !== 0 && count > 0) opens.set(ino, { count, epoch })
  }
  return opens
}

function reopen(
  shared: SharedState,
  ino: number,
  { count, epoch, unlinked }: KernelOpen & { unlinked: boolean },
): void {
  shared.withInode(ino, () => {
    const open = shared.addOpen(ino)
    open.opens = count
    open.kernelOpens = count
    open.epoch = epoch
    open.unlinked = unlinked
  })
}

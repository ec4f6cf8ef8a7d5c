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
import type { NodeCache } from './node-cache.ts'
import { FIELDS, INO, KERNEL_OPENS } from './open-inode.ts'
import { RequestJournal } from './request-journal.ts'
import { ENTRY_NUMBERS } from './shared-state.ts'

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

  /** Opens what was open. `nameless`: whether an inode has lost its last name; undefined: gone. */
  restore(cache: NodeCache, nameless: (ino: number) => boolean | undefined): void {
    if (!existsSync(this.#before)) return
    const { buffer, byteOffset, byteLength } = readFileSync(this.#before)
    const copy = buffer.slice(byteOffset, byteOffset + byteLength - (byteLength % 8))
    const numbers = new Float64Array(copy)
    const opens = opensOf(numbers.subarray(0, ENTRY_NUMBERS))
    const records = numbers.subarray(ENTRY_NUMBERS)
    RequestJournal.inherit(cache.shared.requestRecords, records, {
      redo: (ino, count) => opens.set(ino, count),
      isBegun: (ino, offset) => (cache.files.stat(ino)?.size ?? 0) > offset,
    })
    for (const [ino, count] of opens) {
      const unlinked = nameless(ino)
      if (count > 0 && unlinked !== undefined) reopen(cache, ino, count, unlinked)
    }
    rmSync(this.#before)
  }
}

function opensOf(entries: Float64Array): Map<number, number> {
  const opens = new Map<number, number>()
  for (let base = FIELDS; base < entries.length; base += FIELDS) {
    const ino = entries[base + INO] ?? 0
    const count = entries[base + KERNEL_OPENS] ?? 0
    if (ino !== 0 && count > 0) opens.set(ino, count)
  }
  return opens
}

function reopen({ shared }: NodeCache, ino: number, count: number, unlinked: boolean): void {
  shared.withInode(ino, () => {
    const open = shared.addOpen(ino)
    open.opens = count
    open.kernelOpens = count
    open.unlinked = unlinked
  })
}

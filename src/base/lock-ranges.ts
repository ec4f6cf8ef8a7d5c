/**
 * Byte-range locks of one kind on one file, per owner. A pure data structure: it reports conflicts
 * and maintains the ranges with POSIX semantics; policy is up to the caller.
 *
 * Invariants: the ranges of an owner are sorted and disjoint; adjacent ranges of the same type are
 * merged, so a lock is held as a whole if and only if one range covers it. An owner without ranges
 * is not stored. https://pubs.opengroup.org/onlinepubs/9799919799/functions/fcntl.html
 */
import type { FileLock } from './file-lock.ts'

/** A locked range of bytes. */
export interface LockedRange {
  type: 'read' | 'write'
  start: number
  end: number
  pid: number
}

type Wanted = Pick<FileLock, 'type' | 'start' | 'end' | 'pid'>

/** Change to the list of an owner: `insert` replaces `remove` ranges from index `at`. */
interface Edit {
  at: number
  remove: number
  insert: LockedRange[]
}

const NONE: readonly LockedRange[] = []

export class LockRanges {
  readonly #owners = new Map<string, LockedRange[]>()

  get isEmpty(): boolean {
    return this.#owners.size === 0
  }

  owners(): Iterable<string> {
    return this.#owners.keys()
  }

  of(owner: string): readonly LockedRange[] {
    return this.#owners.get(owner) ?? NONE
  }

  /** One conflicting range for each other owner that has one. */
  *conflicts(owner: string, wanted: Wanted): Generator<{ owner: string; range: LockedRange }> {
    if (wanted.type === 'unlock') return
    for (const [other, list] of this.#owners) {
      if (other === owner) continue
      const range = conflictIn(list, wanted)
      if (range !== undefined) yield { owner: other, range }
    }
  }

  hasConflict(owner: string, wanted: Wanted): boolean {
    return this.conflicts(owner, wanted).next().done !== true
  }

  /**
   * Whether the owner holds the whole range with this type; for an unlock, whether it holds none.
   */
  covers(owner: string, { type, start, end }: Wanted): boolean {
    const list = this.of(owner)
    const found = list[firstEndingFrom(list, start)]
    if (type === 'unlock') return found === undefined || found.start > end
    return found?.type === type && found.start <= start && found.end >= end
  }

  /** Change of the number of ranges that `set` would cause. */
  growth(owner: string, wanted: Wanted): number {
    const { remove, insert } = editOf(this.of(owner), wanted)
    return insert.length - remove
  }

  /** Sets the type of the range for the owner, whatever it held in the range before. */
  set(owner: string, wanted: Wanted): void {
    const list = this.#owners.get(owner) ?? []
    const { at, remove, insert } = editOf(list, wanted)
    list.splice(at, remove, ...insert)
    if (list.length === 0) this.#owners.delete(owner)
    else this.#owners.set(owner, list)
  }

  /** Removes all ranges of the owner; returns their number. */
  remove(owner: string): number {
    const count = this.of(owner).length
    this.#owners.delete(owner)
    return count
  }

  /** The owner's ranges from `start` to `end`, with gaps filled by ranges of type `unlock`. */
  pieces(owner: string, start: number, end: number): Wanted[] {
    const pieces: Wanted[] = []
    const list = this.of(owner)
    let next = start
    for (let at = firstEndingFrom(list, start); next <= end; at++) {
      const range = list[at]
      if (range === undefined || range.start > end) {
        pieces.push({ type: 'unlock', start: next, end, pid: 0 })
        break
      }
      if (range.start > next) {
        pieces.push({ type: 'unlock', start: next, end: range.start - 1, pid: 0 })
      }
      const last = Math.min(range.end, end)
      pieces.push({ ...range, start: Math.max(range.start, start), end: last })
      next = last + 1
    }
    return pieces
  }
}

function conflictIn(list: readonly LockedRange[], wanted: Wanted): LockedRange | undefined {
  for (let at = firstEndingFrom(list, wanted.start); at < list.length; at++) {
    const range = list[at]!
    if (range.start > wanted.end) return undefined
    if (range.type === 'write' || wanted.type === 'write') return range
  }
  return undefined
}

function editOf(list: readonly LockedRange[], { type, start, end, pid }: Wanted): Edit {
  // From the range that may be adjacent on the left to the one that may be adjacent on the right.
  const at = firstEndingFrom(list, start - 1)
  let to = at
  const middle = { start, end }
  const left: LockedRange[] = []
  const right: LockedRange[] = []
  for (; to < list.length && list[to]!.start <= end + 1; to++) {
    const range = list[to]!
    if (range.type === type) {
      middle.start = Math.min(middle.start, range.start)
      middle.end = Math.max(middle.end, range.end)
      continue
    }
    if (range.start < start) left.push({ ...range, end: Math.min(range.end, start - 1) })
    if (range.end > end) right.push({ ...range, start: Math.max(range.start, end + 1) })
  }
  const made = type === 'unlock' ? [] : [{ type, ...middle, pid }]
  return { at, remove: to - at, insert: [...left, ...made, ...right] }
}

/** Index of the first range that ends at or after `byte`. */
function firstEndingFrom(list: readonly LockedRange[], byte: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle]!.end < byte) low = middle + 1
    else high = middle
  }
  return low
}

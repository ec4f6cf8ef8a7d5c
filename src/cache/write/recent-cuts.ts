/**
 * Files that were truncated a moment ago, so that the kernel may still have the old size. Between
 * the reply to truncate(2) and the update in the kernel, the kernel would show zeros for a page
 * whose read ends before the old size. FileReader makes such reads wait.
 *
 * The kernel has the new size when the thread that truncated the file makes another request, or
 * after a bound that is far longer than the kernel takes. Shared by threads, with one entry per
 * thread of a program; an entry replaces another in the same slot.
 */
import { cacheLimits } from '../limits.ts'

const PLACES = 256
const [INO, THREAD, UNIQUE, UNTIL, FIELDS] = [0, 1, 2, 3, 4] as const

export class RecentCuts {
  /** The end of the last entry, ms of the wall clock; then the entries. */
  readonly #numbers: Float64Array

  constructor(memory: SharedArrayBuffer) {
    this.#numbers = new Float64Array(memory)
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer((1 + PLACES * FIELDS) * 8)
  }

  /** Request `unique` of a program's thread is about to shorten the file. */
  begin(ino: number, thread: number, unique: number): void {
    const base = placeOf(thread)
    const untilMs = Date.now() + cacheLimits.cutHoldMs
    this.#numbers.set([ino, thread, unique, untilMs], base)
    this.#numbers[0] = untilMs
  }

  /** As `begin`, if this request has already begun one. */
  renew(ino: number, thread: number, unique: number): void {
    const base = placeOf(thread)
    const wanted = [ino, thread, unique]
    const isBegun = wanted.every((value, at) => this.#numbers[base + at] === value)
    if (isBegun) this.begin(ino, thread, unique)
  }

  /** The thread made request `unique`. */
  passed(thread: number, unique: number): void {
    if (this.#isOver()) return
    const base = placeOf(thread)
    const isLater =
      this.#numbers[base + THREAD] === thread && this.#numbers[base + UNIQUE]! < unique
    if (isLater) this.#numbers[base + UNTIL] = 0
  }

  /** Whether the kernel may still have the old, larger size. */
  isPending(ino: number): boolean {
    if (this.#isOver()) return false
    const nowMs = Date.now()
    for (let base = 1; base < this.#numbers.length; base += FIELDS) {
      if (this.#numbers[base + INO] === ino && this.#numbers[base + UNTIL]! > nowMs) return true
    }
    return false
  }

  #isOver(): boolean {
    return this.#numbers[0]! < Date.now()
  }
}

function placeOf(thread: number): number {
  return 1 + (thread % PLACES) * FIELDS
}

/**
 * Files that programs have just cut, and of which the kernel may not know it yet. Between the
 * answer to truncate(2) and the moment when the kernel has taken it in, it would show zeros where a
 * page is read that ends before the old size does: such reads wait (FileReader).
 *
 * That the kernel has taken it in shows when the thread that cut the file makes another request;
 * where it makes none, after a bound that is far longer than the kernel takes. Shared by threads;
 * one entry per thread of a program, entries of threads that share a place replace each other.
 */
import { cacheLimits } from '../limits.ts'

const PLACES = 256
const [INO, THREAD, UNIQUE, UNTIL, FIELDS] = [0, 1, 2, 3, 4] as const

export class RecentCuts {
  /** First when the last entry ends, ms of the wall clock; then the entries. */
  readonly #numbers: Float64Array

  constructor(memory: SharedArrayBuffer) {
    this.#numbers = new Float64Array(memory)
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer((1 + PLACES * FIELDS) * 8)
  }

  /** The request `unique` of a program's thread makes a file shorter. */
  begin(ino: number, thread: number, unique: number): void {
    const base = placeOf(thread)
    const untilMs = Date.now() + cacheLimits.cutHoldMs
    this.#numbers.set([ino, thread, unique, untilMs], base)
    this.#numbers[0] = untilMs
  }

  /** As `begin`, where this request has begun one already. */
  renew(ino: number, thread: number, unique: number): void {
    const base = placeOf(thread)
    const wanted = [ino, thread, unique]
    const isBegun = wanted.every((value, at) => this.#numbers[base + at] === value)
    if (isBegun) this.begin(ino, thread, unique)
  }

  /** The thread makes the request `unique`. */
  passed(thread: number, unique: number): void {
    if (this.#isOver()) return
    const base = placeOf(thread)
    const isLater =
      this.#numbers[base + THREAD] === thread && this.#numbers[base + UNIQUE]! < unique
    if (isLater) this.#numbers[base + UNTIL] = 0
  }

  /** The kernel may think that the file is longer than it is. */
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

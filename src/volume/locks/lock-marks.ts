/**
 * Which inodes may have POSIX locks of this node, in memory that all threads share. Every close
 * checks this, and most files are never locked, so the check must not cost a round trip.
 *
 * Invariants: inodes share counters, so a mark may be that of another inode; but none is missing
 * from the first request for a lock until the last lock is released. Only the main thread writes.
 */
import { volumeLimits } from '../limits.ts'

export class LockMarks {
  readonly memory: SharedArrayBuffer
  readonly #counts: Int32Array<SharedArrayBuffer>

  constructor(memory = new SharedArrayBuffer(volumeLimits.lockMarks * 4)) {
    this.memory = memory
    this.#counts = new Int32Array(memory)
  }

  add(ino: number): void {
    Atomics.add(this.#counts, ino % volumeLimits.lockMarks, 1)
  }

  remove(ino: number): void {
    Atomics.sub(this.#counts, ino % volumeLimits.lockMarks, 1)
  }

  mayHold(ino: number): boolean {
    return Atomics.load(this.#counts, ino % volumeLimits.lockMarks) > 0
  }
}

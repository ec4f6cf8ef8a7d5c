/**
 * Which inodes may have POSIX locks of this node, in memory that all threads share: every close
 * asks, and most files are never locked, so the answer must not cost a round trip. Inodes share
 * counters: a mark may be another one's, but no mark is missing from when a lock is first asked for
 * to when the last is given back. Only the main thread writes.
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

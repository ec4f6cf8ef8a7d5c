/**
 * Mutual exclusion between threads: an array of locks in shared memory, taken by compare-and-swap
 * and slept on by futex (Atomics.wait). For short synchronous sections only: never held across an
 * await. Not re-entrant. A thread that holds a lock of an array never waits for another one of it,
 * it may only try to get more; but one thread of all may (SharedState.withAllInodes).
 */
const FREE = 0
const HELD = 1
/** Held, and somebody may be asleep: whoever frees it has to wake one. */
const CONTENDED = 2

/** Tries before sleeping: a section takes microseconds, falling asleep and waking costs more. */
const SPINS = 100

export class SharedMutex {
  readonly #cells: Int32Array

  constructor(cells: Int32Array) {
    this.#cells = cells
  }

  lock(index = 0): void {
    const cells = this.#cells
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.compareExchange(cells, index, FREE, HELD) === FREE) return
    }
    while (Atomics.exchange(cells, index, CONTENDED) !== FREE) {
      Atomics.wait(cells, index, CONTENDED)
    }
  }

  /** False: somebody has it. */
  tryLock(index = 0): boolean {
    return Atomics.compareExchange(this.#cells, index, FREE, HELD) === FREE
  }

  unlock(index = 0): void {
    if (Atomics.exchange(this.#cells, index, FREE) === CONTENDED) {
      Atomics.notify(this.#cells, index, 1)
    }
  }

  /** Runs `section` under the lock. */
  with<T>(index: number, section: () => T): T {
    this.lock(index)
    try {
      return section()
    } finally {
      this.unlock(index)
    }
  }
}

/**
 * Mutual exclusion between threads: an array of locks in shared memory, acquired by
 * compare-and-swap and waited for by futex (Atomics.wait). Intended for short synchronous sections.
 *
 * Invariants: no lock is held across an await. The locks are not re-entrant. A thread that holds a
 * lock of an array does not wait for another lock of it, it may only try (`tryLock`); at any time
 * one thread is exempt (SharedState.withAllInodes).
 */
const FREE = 0
const HELD = 1
/** Held, and a thread may be waiting: `unlock` must wake one. */
const CONTENDED = 2

/** Attempts before waiting: a section takes microseconds; to sleep and wake up costs more. */
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

  /** False if the lock is held. */
  tryLock(index = 0): boolean {
    return Atomics.compareExchange(this.#cells, index, FREE, HELD) === FREE
  }

  unlock(index = 0): void {
    if (Atomics.exchange(this.#cells, index, FREE) === CONTENDED) {
      Atomics.notify(this.#cells, index, 1)
    }
  }

  /** Runs `section` while holding the lock. */
  with<T>(index: number, section: () => T): T {
    this.lock(index)
    try {
      return section()
    } finally {
      this.unlock(index)
    }
  }
}

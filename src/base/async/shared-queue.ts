/**
 * Bounded queue of numbers in shared memory. Any thread may add; one thread removes and can wait
 * for values without polling. Adding to a full queue fails instead of waiting.
 */
import { SharedMutex } from './shared-mutex.ts'

const [LOCK, HEAD, TAIL, CONTROLS] = [0, 1, 2, 4] as const

export class SharedQueue {
  readonly #controls: Int32Array
  readonly #cells: Float64Array
  readonly #lock: SharedMutex

  /** Memory for a queue of `capacity` numbers. */
  static allocate(capacity: number): SharedArrayBuffer {
    return new SharedArrayBuffer(CONTROLS * 4 + capacity * 8)
  }

  constructor(memory: SharedArrayBuffer) {
    this.#controls = new Int32Array(memory, 0, CONTROLS)
    this.#cells = new Float64Array(memory, CONTROLS * 4)
    this.#lock = new SharedMutex(this.#controls.subarray(LOCK, LOCK + 1))
  }

  /** False if the queue is full. */
  put(value: number): boolean {
    const isAdded = this.#lock.with(0, () => {
      const [head, tail] = [this.#controls[HEAD]!, this.#controls[TAIL]!]
      // Both wrap around at 32 bits; their difference does not.
      if (((tail - head) | 0) >= this.#cells.length) return false
      this.#cells[this.#cellOf(tail)] = value
      Atomics.store(this.#controls, TAIL, (tail + 1) | 0)
      return true
    })
    if (isAdded) Atomics.notify(this.#controls, TAIL)
    return isAdded
  }

  /** Removes and returns the oldest values, at most `most`. */
  take(most: number): number[] {
    return this.#lock.with(0, () => {
      const [head, tail] = [this.#controls[HEAD]!, this.#controls[TAIL]!]
      const count = Math.min(most, (tail - head) | 0)
      const taken = Array.from({ length: count }, (_, at) => this.#cells[this.#cellOf(head + at)]!)
      this.#controls[HEAD] = (head + count) | 0
      return taken
    })
  }

  /** Resolves when the queue is not empty, or after `timeoutMs`. */
  async filled(timeoutMs: number): Promise<void> {
    const tail = Atomics.load(this.#controls, TAIL)
    if (tail !== this.#controls[HEAD]) return
    const wait = Atomics.waitAsync(this.#controls, TAIL, tail, timeoutMs)
    if (wait.async) await wait.value
  }

  /** Ends the waits of `filled`. */
  wake(): void {
    Atomics.notify(this.#controls, TAIL)
  }

  #cellOf(position: number): number {
    return (position >>> 0) % this.#cells.length
  }
}

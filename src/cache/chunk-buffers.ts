/**
 * Memory that chunks from the cloud are taken into, used again for as long as chunks are under way:
 * new memory for each of them would be cleared by the kernel, filled once, and make the engine
 * collect garbage every few chunks. Nothing is kept while nothing is under way.
 *
 * Invariant: who has a buffer has it alone, until it is given back; there are as many as are used
 * at once, which is bounded by who takes them.
 */
export class ChunkBuffers {
  readonly #sizeBytes: number
  readonly #free: Buffer[] = []
  #used = 0

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
  }

  /** Its content is whatever was in it last. */
  take(): BorrowedBuffer {
    this.#used += 1
    const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes)
    return {
      memory,
      [Symbol.dispose]: () => {
        this.#used -= 1
        if (this.#used === 0) this.#free.length = 0
        else this.#free.push(memory)
      },
    }
  }
}

export interface BorrowedBuffer extends Disposable {
  readonly memory: Buffer
}

/**
 * Large buffers of one size, for bytes that are on their way, used again for as long as there are
 * any: new memory each time would be cleared by the kernel, filled once, and be there until the
 * engine collects its garbage. Nothing is kept while none is used: it is free at once then.
 *
 * Invariant: who has a buffer has it alone, until it is given back; there are as many as are used
 * at once, which is bounded by who takes them.
 */
export class BufferPool {
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
    let isWanted = true
    return {
      memory,
      forsake: () => {
        isWanted = false
      },
      [Symbol.dispose]: () => {
        this.#used -= 1
        if (isWanted) this.#free.push(memory)
        if (this.#used === 0) this.#drop()
      },
    }
  }

  /** Not left to the engine, which may not look for garbage in a while. */
  #drop(): void {
    for (const { buffer } of this.#free) (buffer as ArrayBuffer).transfer(0)
    this.#free.length = 0
  }
}

export interface BorrowedBuffer extends Disposable {
  readonly memory: Buffer
  /** Somebody may go on using it: it is not for others when it is given back. */
  forsake(): void
}

/** For so many bytes: of what the caller gave, where they fit. */
export function memoryOf(length: number, into?: Buffer): Buffer {
  if (into === undefined || length > into.length) return Buffer.allocUnsafeSlow(length)
  return into.subarray(0, length)
}

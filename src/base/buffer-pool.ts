/**
 * Large buffers of one size, for bytes that are on their way, used again for as long as there are
 * any: new memory each time would be cleared by the kernel, filled once, and be there until the
 * engine collects its garbage. The memory of the others is free at once.
 *
 * Invariants: who has a buffer has it alone, until it is given back; there are as many as are used
 * at once, which is bounded by who takes them; no more of them are kept for the next one than are
 * used at that moment, so none while none is used.
 */
export class BufferPool {
  readonly #sizeBytes: number
  readonly #allocate: (sizeBytes: number) => Buffer
  readonly #free: Buffer[] = []
  #used = 0

  /** Buffers of less than a MiB are best allocated as `pages`. */
  constructor(
    sizeBytes: number,
    allocate: (sizeBytes: number) => Buffer = (size) => Buffer.allocUnsafeSlow(size),
  ) {
    this.#sizeBytes = sizeBytes
    this.#allocate = allocate
  }

  /** Its content is whatever was in it last. */
  take(): BorrowedBuffer {
    const memory = this.#free.pop() ?? this.#allocate(this.#sizeBytes)
    let isWanted = true
    this.#used += 1
    return {
      memory,
      forsake: () => {
        isWanted = false
      },
      [Symbol.dispose]: () => {
        this.#used -= 1
        if (isWanted) this.#free.push(memory)
        while (this.#free.length > this.#used) discard(this.#free.pop())
      },
    }
  }
}

/** Not left to the engine, which may not look for garbage in a while. */
function discard(memory: Buffer | undefined): void {
  ;(memory?.buffer as ArrayBuffer | undefined)?.transferToFixedLength(0)
}

/**
 * Memory that is the kernel's again when it is discarded, however little it is: the C library keeps
 * what it was given back in small pieces. Not for what refuses resizable memory, as fetch does.
 */
export function pages(sizeBytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(sizeBytes, { maxByteLength: sizeBytes }), 0, sizeBytes)
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

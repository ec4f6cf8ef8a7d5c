/**
 * Pool of large buffers of one size for data in transfer. Reuse avoids that the kernel clears new
 * memory for each transfer and that the memory stays allocated until garbage collection. Surplus
 * buffers are freed at once.
 *
 * Invariants: a buffer has one user from `take` to its disposal. The number of buffers in use is
 * bounded by the callers. The pool keeps at most as many free buffers as are in use, so none when
 * none is in use.
 */
export class BufferPool {
  readonly #sizeBytes: number
  readonly #allocate: (sizeBytes: number) => Buffer
  readonly #free: Buffer[] = []
  #used = 0

  /** `allocate`: use `pages` for buffers of less than a MiB. */
  constructor(
    sizeBytes: number,
    allocate: (sizeBytes: number) => Buffer = (size) => Buffer.allocUnsafeSlow(size),
  ) {
    this.#sizeBytes = sizeBytes
    this.#allocate = allocate
  }

  /** The content of the buffer is undefined. */
  take(): BorrowedBuffer {
    const memory = this.#free.pop() ?? this.#allocate(this.#sizeBytes)
    let isReusable = true
    this.#used += 1
    return {
      memory,
      forsake: () => {
        isReusable = false
      },
      [Symbol.dispose]: () => {
        this.#used -= 1
        if (isReusable) this.#free.push(memory)
        while (this.#free.length > this.#used) discard(this.#free.pop())
      },
    }
  }
}

/** Frees the memory now: garbage collection may not run for a while. */
function discard(memory: Buffer | undefined): void {
  ;(memory?.buffer as ArrayBuffer | undefined)?.transferToFixedLength(0)
}

/**
 * Allocates memory that returns to the kernel when it is discarded, at any size: the C library
 * keeps small blocks that are freed. Not for consumers that reject resizable memory, such as fetch.
 */
export function pages(sizeBytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(sizeBytes, { maxByteLength: sizeBytes }), 0, sizeBytes)
}

export interface BorrowedBuffer extends Disposable {
  readonly memory: Buffer
  /** Excludes the buffer from reuse, because its memory may still be accessed after disposal. */
  forsake(): void
}

/** The start of `into` if `length` bytes fit there, else a new buffer. */
export function memoryOf(length: number, into?: Buffer): Buffer {
  if (into === undefined || length > into.length) return Buffer.allocUnsafeSlow(length)
  return into.subarray(0, length)
}

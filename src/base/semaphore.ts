/**
 * A bounded pool: so many uploads at once, or so many bytes in memory at once. Served strictly in
 * the order of asking, so that a heavy request is not starved by light ones that would still fit.
 *
 * Invariants: what is taken is given back exactly once; an aborted waiter leaves the queue and
 * lets those behind it move up. A weight above the capacity counts as the capacity: one object
 * larger than the whole budget travels alone instead of never.
 */
import { abortError, throwIfAborted } from './abort.ts'
import { FsError } from './fs-error.ts'

export interface SemaphoreOptions {
  /**
   * Waiters beyond which `acquire` fails with EAGAIN at once; Infinity where callers are bounded.
   */
  maxWaiting?: number | undefined
}

export interface AcquireOptions {
  signal?: AbortSignal | undefined
}

/** What was taken. Disposing it again does nothing. */
export interface Permit extends Disposable {
  release(): void
}

interface Waiter {
  weight: number
  grant(): void
}

export class Semaphore {
  readonly capacity: number
  readonly #maxWaiting: number
  readonly #queue = new Set<Waiter>()
  #free: number

  constructor(capacity: number, options: SemaphoreOptions = {}) {
    if (!(capacity > 0)) throw new RangeError(`a semaphore's capacity is above 0, not ${capacity}`)
    this.capacity = capacity
    this.#free = capacity
    this.#maxWaiting = options.maxWaiting ?? Infinity
  }

  /** What is not taken, in the unit of the capacity. */
  get free(): number {
    return this.#free
  }

  get waiting(): number {
    return this.#queue.size
  }

  async acquire(weight = 1, { signal }: AcquireOptions = {}): Promise<Permit> {
    const taken = this.#weigh(weight)
    throwIfAborted(signal, 'waiting for a place')
    if (this.#queue.size > 0 || taken > this.#free) {
      if (this.#queue.size >= this.#maxWaiting) {
        throw new FsError('EAGAIN', `${this.#maxWaiting} callers are waiting for a place already`)
      }
      await this.#wait(taken, signal)
    } else {
      this.#free -= taken
    }
    return this.#permit(taken)
  }

  /** Without waiting; undefined where there is no room. */
  tryAcquire(weight = 1): Permit | undefined {
    const taken = this.#weigh(weight)
    if (this.#queue.size > 0 || taken > this.#free) return undefined
    this.#free -= taken
    return this.#permit(taken)
  }

  /** Runs `work` with a permit that ends with it. */
  async run<T>(
    work: () => T | Promise<T>,
    options: AcquireOptions & { weight?: number | undefined } = {},
  ): Promise<T> {
    const permit = await this.acquire(options.weight ?? 1, options)
    try {
      return await work()
    } finally {
      permit.release()
    }
  }

  #weigh(weight: number): number {
    if (!(weight >= 0)) throw new RangeError(`a weight is 0 or more, not ${weight}`)
    return Math.min(weight, this.capacity)
  }

  #wait(weight: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        weight,
        grant: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      const onAbort = (): void => {
        this.#queue.delete(waiter)
        reject(abortError(signal!, 'waiting for a place'))
        // It may have been the heavy one at the head that everybody waited behind.
        this.#grantNext()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#queue.add(waiter)
    })
  }

  #permit(taken: number): Permit {
    let isHeld = true
    const release = (): void => {
      if (!isHeld) return
      isHeld = false
      this.#free += taken
      this.#grantNext()
    }
    return { release, [Symbol.dispose]: release }
  }

  #grantNext(): void {
    for (const waiter of this.#queue) {
      if (waiter.weight > this.#free) return
      this.#queue.delete(waiter)
      this.#free -= waiter.weight
      waiter.grant()
    }
  }
}

/**
 * Semaphore with weights: limits, for example, concurrent uploads or bytes in memory. Requests are
 * granted strictly in order, so that light requests cannot starve a heavy one.
 *
 * Invariants: each permit returns its weight exactly once. An aborted waiter leaves the queue, and
 * those behind it move up. A weight above the capacity counts as the capacity: an object larger
 * than the whole budget is processed alone instead of never.
 */
import { abortError, throwIfAborted } from './abort.ts'
import { FsError } from '../fs-error.ts'

export interface SemaphoreOptions {
  /** With more waiters, `acquire` fails with EAGAIN; default: Infinity, if callers are bounded. */
  maxWaiting?: number | undefined
}

export interface AcquireOptions {
  signal?: AbortSignal | undefined
}

/** Part of the capacity that its holder has taken. Releasing it again has no effect. */
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
    if (!(capacity > 0)) throw new RangeError(`a capacity must be above 0, not ${capacity}`)
    this.capacity = capacity
    this.#free = capacity
    this.#maxWaiting = options.maxWaiting ?? Infinity
  }

  /** Capacity that is available, in its unit. */
  get free(): number {
    return this.#free
  }

  get waiting(): number {
    return this.#queue.size
  }

  async acquire(weight = 1, { signal }: AcquireOptions = {}): Promise<Permit> {
    const taken = this.#weigh(weight)
    throwIfAborted(signal, 'the wait for a permit')
    if (this.#queue.size > 0 || taken > this.#free) {
      if (this.#queue.size >= this.#maxWaiting) {
        throw new FsError('EAGAIN', `the limit of ${this.#maxWaiting} waiting callers is reached`)
      }
      await this.#wait(taken, signal)
    } else {
      this.#free -= taken
    }
    return this.#permit(taken)
  }

  /** Takes a permit without waiting; undefined if none is available. */
  tryAcquire(weight = 1): Permit | undefined {
    const taken = this.#weigh(weight)
    if (this.#queue.size > 0 || taken > this.#free) return undefined
    this.#free -= taken
    return this.#permit(taken)
  }

  /** Runs `work` with a permit and releases it afterwards. */
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
    if (!(weight >= 0)) throw new RangeError(`a weight must be at least 0, not ${weight}`)
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
        reject(abortError(signal!, 'the wait for a permit'))
        // It may have been the heavy one at the head of the queue, which blocked all others.
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

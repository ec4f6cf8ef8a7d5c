/**
 * Mutex per key, granted in the order of requests; different keys do not wait for each other. A key
 * without holder and waiters occupies no memory.
 */
import { Semaphore } from './semaphore.ts'
import type { AcquireOptions, Permit } from './semaphore.ts'

export class KeyedMutex<K> {
  readonly #held = new Map<K, { semaphore: Semaphore; users: number }>()

  /** Number of keys that are held or waited for. */
  get size(): number {
    return this.#held.size
  }

  async acquire(key: K, options?: AcquireOptions): Promise<Permit> {
    const entry = this.#held.get(key) ?? { semaphore: new Semaphore(1), users: 0 }
    this.#held.set(key, entry)
    entry.users++
    let isReleased = false
    const leave = (): void => {
      if (--entry.users === 0) this.#held.delete(key)
    }
    try {
      const permit = await entry.semaphore.acquire(1, options)
      const release = (): void => {
        permit.release()
        if (!isReleased) leave()
        isReleased = true
      }
      return { release, [Symbol.dispose]: release }
    } catch (error) {
      leave()
      throw error
    }
  }
}

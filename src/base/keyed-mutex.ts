/**
 * One at a time per key, in the order of asking; different keys do not wait for each other. A key
 * that nobody holds or waits for takes no memory.
 */
import { Semaphore } from './semaphore.ts'
import type { AcquireOptions, Permit } from './semaphore.ts'

export class KeyedMutex<K> {
  readonly #held = new Map<K, { semaphore: Semaphore; users: number }>()

  /** Keys held or waited for. */
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

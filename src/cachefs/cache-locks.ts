/**
 * Locks of a CacheFS. All operations share the lock of names, except a rename, which holds it
 * exclusively. Below it, there is a lock per directory, per file, and per path of the local side
 * (several entries may have the same path, one after the other).
 *
 * Invariants: locks are taken in the order names, directory, file, path. Nobody takes the lock of
 * names twice. Nobody waits for the network or for room in the queue while holding a lock.
 */
import { KeyedMutex } from '../base/async/keyed-mutex.ts'
import { Semaphore } from '../base/async/semaphore.ts'
import type { AcquireOptions, Permit } from '../base/async/semaphore.ts'
import type { Entry } from './entry.ts'

const EVERYONE = 2 ** 30

export class CacheLocks {
  readonly #names = new Semaphore(EVERYONE)
  readonly #entries = new KeyedMutex<Entry>()
  readonly #paths = new KeyedMutex<string>()

  async shareNames(options?: AcquireOptions): Promise<Permit> {
    return await this.#names.acquire(1, options)
  }

  async ownNames(options?: AcquireOptions): Promise<Permit> {
    return await this.#names.acquire(EVERYONE, options)
  }

  async entry(entry: Entry, options?: AcquireOptions): Promise<Permit> {
    return await this.#entries.acquire(entry, options)
  }

  /** Makes it atomic to create a local file and register it in its entry, and to remove it. */
  async localPath(path: string): Promise<Permit> {
    return await this.#paths.acquire(path)
  }
}

/**
 * Who may change what at the same time. Names are shared by everything but a rename, which has the
 * tree for itself; below that, one change at a time in each directory, of each file, and of what
 * the local side has at a path: several entries may have had the same path, one after the other.
 *
 * Invariants: always in the order names, directory, file, path, and nobody takes the names twice;
 * nobody waits for the network or for room in the queue while holding any of them.
 */
import { KeyedMutex } from '../base/keyed-mutex.ts'
import { Semaphore } from '../base/semaphore.ts'
import type { AcquireOptions, Permit } from '../base/semaphore.ts'
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

  /** Makes one step of making a file on the local side and entering it, and of removing it. */
  async localPath(path: string): Promise<Permit> {
    return await this.#paths.acquire(path)
  }
}

/**
 * Inodes that lost their last name (orphans): they exist as long as any node has them open. A node
 * reports the orphans it has open when it confirms the change that removed the name, and later that
 * it has closed them. An orphan that no node has open is purged.
 */
import { describe } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import type { Change } from '../metadata/change.ts'
import type { MetadataStore } from './metadata-store.ts'
import type { Session } from './session.ts'

export class Orphans {
  readonly #store: MetadataStore
  readonly #failures: RepeatedLog
  readonly #purgeOne: (ino: number) => Promise<unknown>
  /** Inode -> the change that removed its last name. */
  readonly #waiting = new Map<number, number>()

  constructor(store: MetadataStore, logger: Logger, purgeOne: (ino: number) => Promise<unknown>) {
    this.#store = store
    this.#failures = new RepeatedLog(logger)
    this.#purgeOne = purgeOne
  }

  note({ seq, effects }: Change): void {
    for (const ino of effects.orphaned) this.#waiting.set(ino, seq)
  }

  /** An inode that was created without a name by a node that has it open. */
  made(ino: number, session: Session): void {
    session.held.add(ino)
    this.#waiting.set(ino, 0)
  }

  /** Records that a node has orphans open. */
  hold(session: Session, inos: readonly number[]): void {
    for (const ino of inos) session.held.add(ino)
  }

  /**
   * Purges the orphans that no node has open. `confirmedNow`: every node has reported up to this
   * change.
   */
  settle(sessions: Iterable<Session>, confirmedNow: () => number): void {
    if (this.#waiting.size === 0) return
    const confirmed = confirmedNow()
    const all = [...sessions]
    for (const [ino, seq] of this.#waiting) {
      if (seq > confirmed || all.some((session) => session.held.has(ino))) continue
      this.#waiting.delete(ino)
      void this.#purge(ino)
    }
  }

  /** Purges the orphans that an earlier run of the coordinator left and no node has open. */
  async sweep(sessions: () => Iterable<Session>): Promise<void> {
    let page = await this.#store.orphansAfter(0)
    while (page.length > 0) {
      const all = [...sessions()]
      for (const ino of page) {
        if (all.some((session) => session.held.has(ino))) this.#waiting.set(ino, 0)
        else await this.#purge(ino)
      }
      page = await this.#store.orphansAfter(page.at(-1)!)
    }
  }

  async #purge(ino: number): Promise<void> {
    try {
      await this.#purgeOne(ino)
    } catch (error) {
      // It is retried at the next settle, or at the next start.
      this.#waiting.set(ino, 0)
      const what = `inode ${ino}, which nobody has open, stays for now`
      this.#failures.warn('purge', `${what}: ${describe(error)}`)
    }
  }
}

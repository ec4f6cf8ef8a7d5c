/**
 * Inodes that lost their last name: they stay as long as a node has them open. Every node says so
 * when it confirms the change that took the name; who holds none is not asked again.
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
  readonly #onPurge: (change: Change) => void
  /** Inode -> the change that took its last name. */
  readonly #waiting = new Map<number, number>()

  constructor(store: MetadataStore, logger: Logger, onPurge: (change: Change) => void) {
    this.#store = store
    this.#failures = new RepeatedLog(logger)
    this.#onPurge = onPurge
  }

  note({ seq, effects }: Change): void {
    for (const ino of effects.orphaned) this.#waiting.set(ino, seq)
  }

  /** An inode that was made without a name, by a node that has it open. */
  made(ino: number, session: Session): void {
    session.held.add(ino)
    this.#waiting.set(ino, 0)
  }

  /** A node says that it has orphans open. */
  hold(session: Session, inos: readonly number[]): void {
    for (const ino of inos) session.held.add(ino)
  }

  /** Takes away what nobody holds; `confirmed`: every node has said so up to this change. */
  settle(sessions: Iterable<Session>, confirmed: number): void {
    if (this.#waiting.size === 0) return
    const all = [...sessions]
    for (const [ino, seq] of this.#waiting) {
      if (seq > confirmed || all.some((session) => session.held.has(ino))) continue
      this.#waiting.delete(ino)
      void this.#purge(ino)
    }
  }

  /** What was left by an earlier run of the coordinator. */
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
      const { change } = await this.#store.performOwn('purgeOrphan', [ino])
      if (change) this.#onPurge(change)
    } catch (error) {
      // It is tried again with the next that nobody holds any more, or by the next start.
      this.#waiting.set(ino, 0)
      const what = `inode ${ino}, which nobody has open, stays for now`
      this.#failures.warn('purge', `${what}: ${describe(error)}`)
    }
  }
}

/**
 * Runs the registry of nodes: drops silent nodes and saves changes every few seconds. If the disk
 * cannot be written, both continue; the failure is reported, and unsaved changes are saved later.
 */
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { coordinatorLimits } from '../limits.ts'
import type { CoordinatorDatabase } from '../coordinator-database.ts'
import { PeerRegistry } from './peer-registry.ts'

export class PeerMaintenance {
  readonly registry: PeerRegistry
  readonly #database: CoordinatorDatabase
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  #failure: { since: Date; reason: string } | undefined

  constructor(database: CoordinatorDatabase, logger: Logger) {
    this.#database = database
    this.#logger = logger
    this.registry = new PeerRegistry({ store: database.peers })
    this.registry.onChange(({ kind, peer: { id, url, state } }) => {
      logger.info(`node ${id} ${kind === 'state' ? `is ${state}` : kind}: ${url}`)
    })
    this.#timer = setInterval(() => this.#keepHouse(), coordinatorLimits.peerSweepMs)
    this.#timer.unref()
  }

  /** Start and latest reason of the current failure to save; undefined: there is none. */
  get failure(): { since: Date; reason: string } | undefined {
    return this.#failure
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#keepHouse()
  }

  #keepHouse(): void {
    try {
      this.registry.sweep()
      this.registry.save()
      this.#database.checkpoint()
      this.#failure = undefined
    } catch (error) {
      if (this.#failure === undefined) this.#logger.error({ err: error }, 'nodes cannot be saved')
      const since = this.#failure?.since ?? new Date()
      this.#failure = { since, reason: describe(error) }
    }
  }
}

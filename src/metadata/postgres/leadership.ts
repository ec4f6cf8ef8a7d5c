/**
 * Leader election among coordinators. One row names the leader, with an epoch that increases with
 * each change of leadership. A waiting coordinator polls the row and the leader's heartbeat
 * counter. If the counter has not changed for the time to live of a leader, or the leader has
 * resigned, or it was this coordinator before a restart, the waiting one takes over, in a
 * transaction that also migrates the tables to this version.
 */
import pg, { type Pool } from 'pg'
import { monotonicMs } from '../../base/clock.ts'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { pause, retry } from '../../base/async/retry.ts'
import { metadataLimits } from '../limits.ts'
import { clientConfig, type PostgresAddress } from './connection-settings.ts'
import { LEADER_SCHEMA, migrate } from './migrations.ts'
import { asFsError } from './postgres-error.ts'
import { Term } from './term.ts'

export interface LeadershipOptions {
  address: PostgresAddress
  /** Permanent name of this coordinator; no two running processes have the same. */
  holder: string
  /** URL of this coordinator for others. */
  url: () => string
  logger: Logger
}

interface Seen {
  epoch: number
  holder: string
  url: string
  beats: number
}

const LOOK = `SELECT leader.epoch, leader.holder, leader.url, heartbeat.beats
  FROM leader JOIN heartbeat ON heartbeat.id = leader.id WHERE leader.id = 1`
const TAKE = `UPDATE leader SET epoch = epoch + 1, holder = $1, url = $2
  WHERE id = 1 AND epoch = $3`
const FIRST_BEAT = `UPDATE heartbeat SET epoch = $1, beats = beats + 1 WHERE id = 1 AND beats = $2`
const SCHEMA_ATTEMPTS = 5

export class Leadership {
  readonly #options: LeadershipOptions
  readonly #pool: Pool
  #seen: Seen | undefined
  #sinceMs = 0
  #isAway = false

  private constructor(options: LeadershipOptions) {
    this.#options = options
    this.#pool = new pg.Pool({ ...clientConfig(options.address), max: 2 })
    // An idle connection that breaks is replaced at the next use.
    this.#pool.on('error', () => undefined)
  }

  /** Rejects with an explanation if the database cannot be used. */
  static async open(options: LeadershipOptions): Promise<Leadership> {
    const leadership = new Leadership(options)
    try {
      // If two coordinators create a table at once, one fails and finds it when it retries.
      await retry(() => leadership.#makeTables(), {
        attempts: SCHEMA_ATTEMPTS,
        retryable: (error) => (error as { severity?: unknown }).severity === 'ERROR',
      })
      return leadership
    } catch (error) {
      await leadership.close()
      throw asFsError(error, options.address.shown)
    }
  }

  /** URL of the leader when last polled; empty: none. */
  get leaderUrl(): string {
    return this.#seen?.holder === '' ? '' : (this.#seen?.url ?? '')
  }

  /** Waits until this coordinator leads. */
  async acquire(signal: AbortSignal): Promise<Term> {
    this.#seen = undefined
    while (true) {
      signal.throwIfAborted()
      try {
        const seen = await this.#look()
        if (seen && this.#isFree(seen)) {
          const term = await this.#take(seen)
          if (term) return term
        }
        this.#isAway = false
      } catch (error) {
        // The leader may be unable to write its heartbeat as well: start to count anew.
        this.#seen = undefined
        const { address, logger } = this.#options
        if (!this.#isAway) logger.warn(describe(asFsError(error, address.shown)))
        this.#isAway = true
      }
      await pause(metadataLimits.leaderPollMs, signal)
    }
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #makeTables(): Promise<void> {
    for (const sql of LEADER_SCHEMA) await this.#pool.query(sql)
  }

  async #look(): Promise<Seen | undefined> {
    const { rows } = await this.#pool.query<Seen>(LOOK)
    const [seen] = rows
    const isAsBefore = seen?.epoch === this.#seen?.epoch && seen?.beats === this.#seen?.beats
    if (!isAsBefore) this.#sinceMs = monotonicMs()
    this.#seen = seen
    return seen
  }

  #isFree({ holder }: Seen): boolean {
    const isSilent = monotonicMs() - this.#sinceMs > metadataLimits.leaderTtlMs
    return holder === '' || holder === this.#options.holder || isSilent
  }

  /** Undefined if the leader sent a heartbeat meanwhile, or another coordinator was faster. */
  async #take({ epoch, beats }: Seen): Promise<Term | undefined> {
    const { holder, url, logger } = this.#options
    const sinceMs = monotonicMs()
    const client = await this.#pool.connect()
    let isDone = false
    try {
      await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
      const taken = await client.query(TAKE, [holder, url(), epoch])
      const begun = await client.query(FIRST_BEAT, [epoch + 1, beats])
      if (taken.rowCount !== 1 || begun.rowCount !== 1) {
        await client.query('ROLLBACK')
        isDone = true
        return undefined
      }
      await migrate(client)
      await client.query('COMMIT')
      isDone = true
      return new Term(this.#pool, epoch + 1, sinceMs, logger)
    } finally {
      client.release(!isDone)
    }
  }
}

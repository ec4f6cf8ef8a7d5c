/**
 * Metadata store in PostgreSQL or a compatible database, used by the leading coordinator. Changes
 * run one after the other over their own connection (write-lane.ts); reads use a small pool.
 */
import pg, { type Pool, type PoolClient } from 'pg'
import { monotonicMs } from '../../base/clock.ts'
import type { Logger } from '../../base/log/logger.ts'
import { retry } from '../../base/async/retry.ts'
import { metadataLimits } from '../limits.ts'
import type { StoreEngine } from '../store-engine.ts'
import type { Rule } from '../statement.ts'
import { totals, type Totals } from '../volume-rules.ts'
import { clientConfig, type PostgresAddress } from './connection-settings.ts'
import { copyToSqlite } from './copy-to-sqlite.ts'
import { drive } from './postgres-calls.ts'
import { asFsError, isAway } from './postgres-error.ts'
import type { Term } from './term.ts'
import { WriteLane } from './write-lane.ts'

export class PostgresStoreEngine implements StoreEngine {
  readonly #address: PostgresAddress
  readonly #term: Term
  readonly #lane: WriteLane
  readonly #pool: Pool

  constructor(address: PostgresAddress, term: Term, logger: Logger) {
    this.#address = address
    this.#term = term
    this.#lane = new WriteLane(address, term, logger)
    this.#pool = new pg.Pool({ ...clientConfig(address), max: metadataLimits.storeConnections })
    // An idle connection that breaks is replaced at the next use.
    this.#pool.on('error', () => undefined)
  }

  async read<T>(begin: () => Rule<T>): Promise<T> {
    const sent = { pending: [], changes: 0 }
    return await this.#reading((client) => drive(client, begin(), sent))
  }

  transact<T>(begin: () => Rule<T>): Promise<T> {
    return this.#lane.transact(begin)
  }

  async totals(): Promise<Totals> {
    return await this.read(totals)
  }

  async copyTo(path: string): Promise<void> {
    await this.#reading((client) => copyToSqlite(client, path))
  }

  /** An acknowledged commit is on the disk of the server already. */
  async sync(): Promise<void> {
    // Nothing to do.
  }

  checkpoint(): void {
    // The server runs its own checkpoints.
  }

  leads(): boolean {
    return this.#term.leads()
  }

  async close(): Promise<void> {
    await this.#lane.close()
    await this.#pool.end()
  }

  /** Retries while the server is unreachable. */
  async #reading<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const untilMs = monotonicMs() + metadataLimits.storeWaitMs
    try {
      return await retry(() => this.#withClient(work), {
        attempts: Infinity,
        baseMs: metadataLimits.storeRetryBaseMs,
        maxMs: metadataLimits.storeRetryMaxMs,
        retryable: (error) => isAway(error) && !this.#term.isOver && monotonicMs() < untilMs,
      })
    } catch (error) {
      throw asFsError(error, this.#address.shown)
    }
  }

  async #withClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect()
    let isReusable = false
    try {
      const result = await work(client)
      isReusable = true
      return result
    } catch (error) {
      // An error thrown by a rule leaves the connection intact.
      isReusable = !isAway(error) && (error as { severity?: unknown }).severity === undefined
      throw error
    } finally {
      client.release(!isReusable)
    }
  }
}

/**
 * Runs the transactions of a coordinator one after the other over one connection. Those that wait
 * are batched into the next database transaction, run in it one by one, and are answered when it
 * has committed. A statement without result is sent without awaiting the one before.
 *
 * Invariants: each transaction locks the leader row and fails if it names another coordinator, so
 * nothing of a replaced coordinator is committed after its successor started. An error inside a
 * batch is reported only after the batch has committed, because it may be caused by others in the
 * batch. A transaction that was rolled back, or whose commit was not acknowledged, is run again
 * from its start and finds in the log what it did (coordinator/metadata-store.ts).
 */
import pg, { type Client } from 'pg'
import { monotonicMs } from '../../base/clock.ts'
import { FsError, describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { retry } from '../../base/async/retry.ts'
import { metadataLimits } from '../limits.ts'
import type { Rule } from '../statement.ts'
import { clientConfig, type PostgresAddress } from './connection-settings.ts'
import { drive, type Sent } from './postgres-calls.ts'
import { asFsError, isAway, isConflict } from './postgres-error.ts'
import type { Term } from './term.ts'

interface Job {
  begin: () => Rule<unknown>
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

type WaitResult = { value: unknown } | { error: unknown }

export class WriteLane {
  readonly #address: PostgresAddress
  readonly #term: Term
  readonly #failures: RepeatedLog
  #queue: Job[] = []
  #running: Promise<void> | undefined
  #client: Client | undefined
  #isClosed = false

  constructor(address: PostgresAddress, term: Term, logger: Logger) {
    this.#address = address
    this.#term = term
    this.#failures = new RepeatedLog(logger)
  }

  transact<T>(begin: () => Rule<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isClosed) throw new FsError('ECANCELED', 'the store is closed')
      if (this.#queue.length >= metadataLimits.storeQueue) {
        throw new FsError(
          'EAGAIN',
          `the queue of ${metadataLimits.storeQueue} transactions is full`,
        )
      }
      this.#queue.push({ begin, resolve: resolve as (value: unknown) => void, reject })
      this.#running ??= this.#run()
    })
  }

  /** Rejects queued transactions and waits for the running one. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { reject } of this.#queue) reject(new FsError('ECANCELED', 'the store is closed'))
    this.#queue = []
    await this.#running
    await this.#drop()
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue
      this.#queue = batch.splice(metadataLimits.storeBatch)
      await this.#settle(batch)
    }
    this.#running = undefined
  }

  async #settle(batch: readonly Job[]): Promise<void> {
    try {
      const outcomes = await this.#withRetries(batch)
      for (const [at, outcome] of outcomes.entries()) {
        const { resolve, reject } = batch[at]!
        if ('value' in outcome) resolve(outcome.value)
        else reject(outcome.error)
      }
    } catch (error) {
      if (batch.length === 1 || this.#isTransient(error)) {
        for (const { reject } of batch) reject(asFsError(error, this.#address.shown))
      } else {
        // One of them fails after it changed something: run each by itself.
        for (const job of batch) await this.#settle([job])
      }
    }
  }

  #isTransient(error: unknown): boolean {
    return this.#term.isOver || isConflict(error) || isAway(error)
  }

  #withRetries(batch: readonly Job[]): Promise<WaitResult[]> {
    const untilMs = monotonicMs() + metadataLimits.storeWaitMs
    return retry(() => this.#attempt(batch), {
      attempts: Infinity,
      baseMs: metadataLimits.storeRetryBaseMs,
      maxMs: metadataLimits.storeRetryMaxMs,
      retryable: (error) => {
        const isWanted = !this.#term.isOver && !this.#isClosed && monotonicMs() < untilMs
        return isWanted && (isConflict(error) || isAway(error))
      },
      onRetry: ({ error, attempt }) => {
        if (attempt === 1 && isAway(error)) {
          this.#failures.warn('away', `${this.#address.shown} is unreachable: ${describe(error)}`)
        }
      },
    })
  }

  async #attempt(batch: readonly Job[]): Promise<WaitResult[]> {
    const client = await this.#connected()
    const sent: Sent = { pending: [], changes: 0 }
    try {
      await this.#begin(client)
      const outcomes: WaitResult[] = []
      for (const { begin } of batch) outcomes.push(await runJob(client, begin, sent))
      await Promise.all(sent.pending)
      const { command } = await client.query('COMMIT')
      // COMMIT of a failed transaction rolls it back without an error.
      if (command !== 'COMMIT') throw new FsError('EIO', 'the transaction was rolled back')
      return outcomes
    } catch (error) {
      await this.#rollBack(client)
      throw error
    }
  }

  async #begin(client: Client): Promise<void> {
    const fence = 'SELECT epoch FROM leader WHERE id = 1 AND epoch = $1 FOR UPDATE'
    const [, { rowCount }] = await Promise.all([
      client.query('BEGIN ISOLATION LEVEL SERIALIZABLE'),
      client.query({ name: 'fence', text: fence, values: [this.#term.epoch] }),
    ])
    if (rowCount === 1) return
    this.#term.end()
    throw new FsError('EAGAIN', 'another coordinator leads')
  }

  async #connected(): Promise<Client> {
    if (this.#client) return this.#client
    const client = new pg.Client({ ...clientConfig(this.#address), pipeline: true })
    // Pending queries are rejected; the next attempt connects again.
    client.on('error', () => this.#forget(client))
    client.on('end', () => this.#forget(client))
    this.#client = client
    try {
      await client.connect()
      return client
    } catch (error) {
      await this.#drop()
      throw error
    }
  }

  #forget(client: Client): void {
    if (this.#client === client) this.#client = undefined
  }

  async #rollBack(client: Client): Promise<void> {
    if (client !== this.#client) return
    await client.query('ROLLBACK').catch(() => this.#drop())
  }

  async #drop(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => undefined)
  }
}

async function runJob(client: Client, begin: () => Rule<unknown>, sent: Sent): Promise<WaitResult> {
  const { changes } = sent
  try {
    return { value: await drive(client, begin(), sent) }
  } catch (error) {
    if (sent.changes > changes || !(error instanceof FsError)) throw error
    return { error }
  }
}

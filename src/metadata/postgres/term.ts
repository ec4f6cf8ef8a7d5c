/**
 * Term of a leading coordinator, identified by its epoch. The leader sends heartbeats; others
 * measure the time since the last one with their own clocks, so no two clocks are compared. The
 * leader counts its term from before each heartbeat, and shorter than others do: it stops answering
 * from memory before anybody can take over, and continues if nobody did. Each write transaction
 * checks the epoch (write-lane.ts) independently of any clock.
 */
import type { Pool } from 'pg'
import { monotonicMs } from '../../base/clock.ts'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { metadataLimits } from '../limits.ts'

const BEAT = 'UPDATE heartbeat SET beats = beats + 1 WHERE id = 1 AND epoch = $1'
const RESIGN = `UPDATE leader SET holder = '' WHERE id = 1 AND epoch = $1`

export class Term {
  readonly epoch: number
  readonly #pool: Pool
  readonly #logger: Logger
  readonly #over = Promise.withResolvers<void>()
  #timer: NodeJS.Timeout | undefined
  #untilMs: number
  #isOver = false
  #isAway = false

  /** `sinceMs`: time before the leadership was requested. */
  constructor(pool: Pool, epoch: number, sinceMs: number, logger: Logger) {
    this.#pool = pool
    this.epoch = epoch
    this.#logger = logger
    this.#untilMs = endOf(sinceMs)
    this.#scheduleBeat()
  }

  /** Another coordinator leads, or may soon. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Resolves when another coordinator leads. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** False if another coordinator may lead; may become true again. */
  leads(): boolean {
    return !this.#isOver && monotonicMs() < this.#untilMs
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#over.resolve()
  }

  /** Ends the term, so that others need not wait. */
  async resign(): Promise<void> {
    if (this.#isOver) return
    this.end()
    await this.#pool.query(RESIGN, [this.epoch])
  }

  #scheduleBeat(): void {
    if (!this.#isOver)
      this.#timer = setTimeout(() => void this.#beat(), metadataLimits.leaderBeatMs)
  }

  async #beat(): Promise<void> {
    const sinceMs = monotonicMs()
    try {
      const { rowCount } = await this.#pool.query(BEAT, [this.epoch])
      if (rowCount === 0) this.end()
      else this.#untilMs = endOf(sinceMs)
      this.#isAway = false
    } catch (error) {
      if (!this.#isAway) this.#logger.warn(`renewing the leadership failed: ${describe(error)}`)
      this.#isAway = true
    }
    this.#scheduleBeat()
  }
}

function endOf(sinceMs: number): number {
  return sinceMs + metadataLimits.leaderTtlMs * (1 - metadataLimits.linkClockDrift)
}

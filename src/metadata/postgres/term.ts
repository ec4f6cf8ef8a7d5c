/**
 * The time in which one coordinator leads, under a number that no other has. It says every so often
 * that it lives; others judge by their own clocks whether it still does, so no two clocks are
 * compared. The holder counts its own time from before it said so, and shorter: it stops answering
 * from memory before anybody can follow it, and goes on if nobody did. What it writes is checked
 * in each transaction (write-lane.ts), whatever any clock says.
 */
import type { Pool } from 'pg'
import { monotonicMs } from '../../base/clock.ts'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/logger.ts'
import { limits } from '../../limits.ts'

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

  /** `sinceMs`: before it was asked for. */
  constructor(pool: Pool, epoch: number, sinceMs: number, logger: Logger) {
    this.#pool = pool
    this.epoch = epoch
    this.#logger = logger
    this.#untilMs = endOf(sinceMs)
    this.#next()
  }

  /** Another leads, or may soon. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Resolves when another leads. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** False: another may lead by now. It may come to be true again. */
  leads(): boolean {
    return !this.#isOver && monotonicMs() < this.#untilMs
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#over.resolve()
  }

  /** Others need not wait. */
  async resign(): Promise<void> {
    if (this.#isOver) return
    this.end()
    await this.#pool.query(RESIGN, [this.epoch])
  }

  #next(): void {
    if (!this.#isOver) this.#timer = setTimeout(() => void this.#beat(), limits.leaderBeatMs)
  }

  async #beat(): Promise<void> {
    const sinceMs = monotonicMs()
    try {
      const { rowCount } = await this.#pool.query(BEAT, [this.epoch])
      if (rowCount === 0) this.end()
      else this.#untilMs = endOf(sinceMs)
      this.#isAway = false
    } catch (error) {
      if (!this.#isAway) this.#logger.warn(`leading cannot be renewed: ${describe(error)}`)
      this.#isAway = true
    }
    this.#next()
  }
}

function endOf(sinceMs: number): number {
  return sinceMs + limits.leaderTtlMs * (1 - limits.linkClockDrift)
}

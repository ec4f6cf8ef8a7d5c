/** Metadata store in PostgreSQL, of whose coordinators one leads at a time. */
import type { NamesSource, Turn } from '../keeper-engine.ts'
import { Leadership, type LeadershipOptions } from './leadership.ts'
import { PostgresKeeper } from './postgres-keeper.ts'

export class PostgresSource implements NamesSource {
  readonly isShared = true
  readonly #options: LeadershipOptions
  readonly #leadership: Leadership

  private constructor(options: LeadershipOptions, leadership: Leadership) {
    this.#options = options
    this.#leadership = leadership
  }

  static async open(options: LeadershipOptions): Promise<PostgresSource> {
    return new PostgresSource(options, await Leadership.open(options))
  }

  get keeperUrl(): string {
    return this.#leadership.leaderUrl
  }

  async next(signal: AbortSignal): Promise<Turn> {
    const term = await this.#leadership.acquire(signal)
    const { address, logger } = this.#options
    const engine = new PostgresKeeper(address, term, logger)
    return { engine, over: term.over, resign: () => term.resign() }
  }

  async close(): Promise<void> {
    await this.#leadership.close()
  }
}

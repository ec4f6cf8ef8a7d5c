/** Metadata store in PostgreSQL, of whose coordinators one leads at a time. */
import type { MetadataSource, LeaderTerm } from '../store-engine.ts'
import { Leadership, type LeadershipOptions } from './leadership.ts'
import { PostgresStoreEngine } from './postgres-store-engine.ts'

export class PostgresSource implements MetadataSource {
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

  get leaderUrl(): string {
    return this.#leadership.leaderUrl
  }

  async next(signal: AbortSignal): Promise<LeaderTerm> {
    const term = await this.#leadership.acquire(signal)
    const { address, logger } = this.#options
    const engine = new PostgresStoreEngine(address, term, logger)
    return { engine, over: term.over, resign: () => term.resign() }
  }

  async close(): Promise<void> {
    await this.#leadership.close()
  }
}

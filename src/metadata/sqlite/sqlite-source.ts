/** Metadata store in one SQLite file: the process that owns the directory leads for good. */
import type { NamesSource, Turn } from '../keeper-engine.ts'
import { SqliteKeeper } from './sqlite-keeper.ts'

export class SqliteSource implements NamesSource {
  readonly isShared = false
  readonly keeperUrl = ''
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async next(): Promise<Turn> {
    const engine = SqliteKeeper.open(this.#path)
    return { engine, over: Promise.withResolvers<void>().promise, resign: async () => undefined }
  }

  async close(): Promise<void> {
    // The owner of the term closes its engine.
  }
}

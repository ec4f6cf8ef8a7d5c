/**
 * Metadata store in one SQLite file: the synchronous engine behind the asynchronous contract. A
 * transaction has ended when the call returns; no other process uses the file.
 */
import { SharedMutex } from '../../base/async/shared-mutex.ts'
import type { StoreEngine } from '../store-engine.ts'
import { LOG_SCHEMA, REPLICA_SCHEMA, SCHEMA } from '../schema.ts'
import type { Rule } from '../statement.ts'
import type { Totals } from '../volume-rules.ts'
import { keepTotals, keptTotals } from './kept-totals.ts'
import { SqliteEngine } from './sqlite-engine.ts'

export class SqliteStoreEngine implements StoreEngine {
  readonly #engine: SqliteEngine

  private constructor(engine: SqliteEngine) {
    this.#engine = engine
  }

  /** `onDamage`: called when SQLite detects damage in the file. */
  static open(path: string, onDamage?: () => void): SqliteStoreEngine {
    const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
    const engine = new SqliteEngine(path, mutex, onDamage && { onDamage })
    try {
      for (const sql of [...SCHEMA, REPLICA_SCHEMA, ...LOG_SCHEMA]) engine.execute(sql)
      keepTotals(engine)
      return new SqliteStoreEngine(engine)
    } catch (error) {
      engine.close()
      throw error
    }
  }

  async read<T>(begin: () => Rule<T>): Promise<T> {
    return this.#engine.read(begin())
  }

  async transact<T>(begin: () => Rule<T>): Promise<T> {
    return this.#engine.transact(begin())
  }

  async totals(): Promise<Totals> {
    return this.#engine.read(keptTotals())
  }

  async copyTo(path: string): Promise<void> {
    await this.#engine.copyTo(path)
  }

  async sync(): Promise<void> {
    this.#engine.sync()
  }

  checkpoint(): void {
    this.#engine.execute('PRAGMA wal_checkpoint(PASSIVE)')
  }

  leads(): boolean {
    return true
  }

  async close(): Promise<void> {
    this.#engine.close()
  }
}

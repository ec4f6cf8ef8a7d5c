/**
 * The connection of one thread to the node database (`node.db`), and the transactions on it. Each
 * table has a class beside the code that it serves (`ChunkTable`, `UploadJournal`,
 * `UncommittedTable`, `LostChunkTable`, `ReplicaTable`, `NodeSettings`). SQLite; a shared mutex
 * orders the write transactions. The database is valid after the process dies at any point:
 * recovery.ts resolves what was under way.
 */
import type { SQLInputValue } from 'node:sqlite'
import type { SharedMutex } from '../../base/async/shared-mutex.ts'
import { SqliteDatabase } from '../../base/sqlite-database.ts'
import { cacheLimits } from '../limits.ts'
import { NODE_SCHEMA, addColumns } from './node-schema.ts'

/** Changes of several tables of the node database that survive together. */
export interface Transactions {
  /** Runs `section`: all of its changes or, if it throws, none. Not nestable. */
  transaction<T>(section: () => T): T
  /** Everything written so far survives a power loss. */
  sync(): void
}

export class NodeDatabase implements Transactions {
  readonly #database: SqliteDatabase

  constructor(path: string, mutex: SharedMutex, onDamage?: () => void) {
    this.#database = new SqliteDatabase(path, mutex, { onDamage })
  }

  /**
   * Creates the tables. Call once, before other threads open the database. Returns true if the
   * database was never used. EIO if it is damaged.
   */
  static prepare(path: string, mutex: SharedMutex): boolean {
    const database = new SqliteDatabase(path, mutex)
    try {
      database.execute(NODE_SCHEMA)
      addColumns(database)
      database.requireColumns(NODE_SCHEMA)
      database.check(cacheLimits.databaseCheckBytes)
      return database.statement('SELECT 1 FROM setting LIMIT 1').get() === undefined
    } catch (error) {
      throw database.failure(error)
    } finally {
      database.close()
    }
  }

  transaction<T>(section: () => T): T {
    return this.#database.transaction(section)
  }

  sync(): void {
    this.#database.sync()
  }

  close(): void {
    this.#database.close()
  }

  run(sql: string, ...args: SQLInputValue[]): void {
    try {
      this.#database.statement(sql).run(...args)
    } catch (error) {
      throw this.#database.failure(error)
    }
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the row's type
  one<R>(sql: string, ...args: SQLInputValue[]): R | undefined {
    try {
      return this.#database.statement(sql).get(...args) as R | undefined
    } catch (error) {
      throw this.#database.failure(error)
    }
  }

  all<R>(sql: string, ...args: SQLInputValue[]): R[] {
    try {
      return this.#database.statement(sql).all(...args) as R[]
    } catch (error) {
      throw this.#database.failure(error)
    }
  }
}

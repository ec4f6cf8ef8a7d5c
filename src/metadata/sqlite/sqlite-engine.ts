/**
 * The embedded metadata engine: drives rules over one SQLite database, synchronously. Every thread
 * opens its own; they share the file (WAL) and a mutex that orders their write transactions, so
 * that SQLite's own busy polling never runs. A transaction is in the write-ahead log when `write`
 * returns: it survives the death of the process at once, and that of the machine after `sync`.
 */
import type { StatementSync } from 'node:sqlite'
import type { SharedMutex } from '../../base/shared-mutex.ts'
import { SqliteDatabase } from '../../base/sqlite-database.ts'
import type { MetadataEngine } from '../metadata-engine.ts'
import {
  ruleOf,
  type OperationArgs,
  type OperationName,
  type OperationResult,
} from '../operations.ts'
import { NO_ROWS, type Call, type Row, type Rule } from '../statement.ts'

export class SqliteEngine implements MetadataEngine {
  readonly isReplica = false
  readonly #database: SqliteDatabase
  readonly #prepared: (StatementSync | undefined)[] = []

  constructor(path: string, mutex: SharedMutex) {
    this.#database = new SqliteDatabase(path, mutex)
  }

  execute(sql: string): void {
    this.#database.execute(sql)
  }

  read<T>(rule: Rule<T>): T {
    try {
      return this.#drive(rule)
    } catch (error) {
      throw this.#database.failure(error)
    }
  }

  write<K extends OperationName>(name: K, ...args: OperationArgs<K>): OperationResult<K> {
    return this.transact(ruleOf(name, args))
  }

  /** Runs any rule as one transaction. */
  transact<T>(rule: Rule<T>): T {
    return this.#database.transaction(() => this.#drive(rule))
  }

  sync(): void {
    this.#database.sync()
  }

  close(): void {
    this.#database.close()
  }

  #drive<T>(rule: Rule<T>): T {
    let step = rule.next()
    while (step.done !== true) step = rule.next(this.#run(step.value))
    return step.value
  }

  #run({ statement, args }: Call): Row[] {
    const prepared = (this.#prepared[statement.id] ??= this.#database.statement(statement.sql))
    if (!statement.single) return prepared.all(...args) as Row[]
    const row = prepared.get(...args)
    return row === undefined ? NO_ROWS : [row as Row]
  }
}

/**
 * Embedded metadata engine: runs rules synchronously on one SQLite database. Each thread has its
 * own instance; they share the file (WAL) and a mutex that serializes write transactions, so that
 * SQLite's own busy polling never runs. When `write` returns, the transaction is in the write-ahead
 * log: it survives the death of the process, and after `sync` that of the machine.
 */
import type { StatementSync } from 'node:sqlite'
import { threadId } from 'node:worker_threads'
import { CurrentRequest } from '../../base/current-request.ts'
import type { SharedMutex } from '../../base/async/shared-mutex.ts'
import { SqliteDatabase } from '../../base/sqlite-database.ts'
import { answerOf, answering, isUnrepeatable } from '../duplicate-request-rules.ts'
import type { MetadataEngine } from '../metadata-engine.ts'
import {
  ruleOf,
  type OperationArgs,
  type OperationName,
  type OperationResult,
} from '../operations.ts'
import {
  NO_ROWS,
  type Call,
  type Row,
  type Rule,
  type Statement,
  type Value,
} from '../statement.ts'
import { copyDatabase } from './database-copy.ts'

export interface SqliteEngineOptions {
  /** Request that the thread is processing, which may have been executed before. */
  request?: CurrentRequest
  /** Called when SQLite detects damage in the file. */
  onDamage?: () => void
}

export class SqliteEngine implements MetadataEngine {
  readonly isReplica = false
  readonly #path: string
  readonly #database: SqliteDatabase
  readonly #prepared: (Prepared | undefined)[] = []
  readonly #request: CurrentRequest

  constructor(path: string, mutex: SharedMutex, options: SqliteEngineOptions = {}) {
    this.#path = path
    this.#database = new SqliteDatabase(path, mutex, { onDamage: options.onDamage })
    this.#request = options.request ?? new CurrentRequest()
  }

  execute(sql: string): void {
    this.#database.execute(sql)
  }

  /** Throws EIO if the file is damaged. Skips files larger than `mostBytes`. */
  check(mostBytes: number): void {
    this.#database.check(mostBytes)
  }

  /** As SqliteDatabase.requireColumns. */
  requireColumns(schema: string): void {
    this.#database.requireColumns(schema)
  }

  read<T>(rule: Rule<T>): T {
    try {
      return this.#drive(rule)
    } catch (error) {
      throw this.#database.failure(error)
    }
  }

  write<K extends OperationName>(name: K, ...args: OperationArgs<K>): OperationResult<K> {
    return this.runOnce(name, ruleOf(name, args))
  }

  /** Runs the rule of an operation; one that the current request has run before is not repeated. */
  runOnce<T>(name: OperationName, rule: Rule<T>): T {
    const { unique } = this.#request
    if (unique === 0 || !isUnrepeatable(name)) return this.transact(rule)
    const done = this.#answer()
    if (done) return done.result as T
    return this.transact(answering(rule, unique, threadId))
  }

  hasAnswered(): boolean {
    return this.#answer() !== undefined
  }

  #answer(): { result: unknown } | undefined {
    const { unique, isResent } = this.#request
    return isResent ? this.read(answerOf(unique)) : undefined
  }

  requireCurrent(): void {
    // No other node changes the volume.
  }

  /** Runs any rule as one transaction. */
  transact<T>(rule: Rule<T>): T {
    return this.#database.transaction(() => this.#drive(rule))
  }

  /** Runs code that no transaction of any thread overlaps. */
  alone(work: () => void): void {
    this.#database.alone(work)
  }

  /** Replaces whole tables by those of another database file, in one transaction. */
  takeOver(path: string, tables: readonly string[]): void {
    this.#database.statement('ATTACH ? AS source').run(path)
    try {
      this.#database.transaction(() => {
        for (const table of tables) {
          this.#database.statement(`DELETE FROM main.${table}`).run()
          const copy = `INSERT INTO main.${table} SELECT * FROM source.${table}`
          this.#database.statement(copy).run()
        }
      })
    } finally {
      this.#database.forget()
      this.#database.execute('DETACH source')
    }
  }

  /** Writes a copy of the whole database to a new file. */
  async copyTo(path: string): Promise<void> {
    try {
      await copyDatabase(this.#path, path)
    } catch (error) {
      throw this.#database.failure(error)
    }
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
    const { sql, columns } = (this.#prepared[statement.id] ??= this.#prepare(statement))
    if (!statement.single) return sql.all(...args).map((row) => rowOf(columns, row))
    const row = sql.get(...args)
    return row === undefined ? NO_ROWS : [rowOf(columns, row)]
  }

  #prepare(statement: Statement): Prepared {
    const sql = this.#database.statement(statement.sql)
    sql.setReturnArrays(true)
    return { sql, columns: sql.columns().map(({ name }) => name) }
  }
}

interface Prepared {
  sql: StatementSync
  columns: readonly string[]
}

/** Costs half of the objects that node:sqlite builds, and gives all rows one shape. */
function rowOf(columns: readonly string[], values: unknown): Row {
  const row: Row = {}
  for (let at = 0; at < columns.length; at++) row[columns[at]!] = (values as Value[])[at]!
  return row
}

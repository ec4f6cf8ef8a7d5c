/**
 * The embedded metadata engine: drives rules over one SQLite database, synchronously. Every thread
 * opens its own; they share the file (WAL) and a mutex that orders their write transactions, so
 * that SQLite's own busy polling never runs. A transaction is in the write-ahead log when `write`
 * returns: it survives the death of the process at once, and that of the machine after `sync`.
 */
import { closeSync, fdatasyncSync, openSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { asFsError, openDatabase } from '../../base/sqlite-database.ts'
import type { SharedMutex } from '../../base/shared-mutex.ts'
import type { MetadataEngine } from '../metadata-engine.ts'
import { NO_ROWS, type Call, type Row, type Rule } from '../statement.ts'

export class SqliteEngine implements MetadataEngine {
  readonly #database: DatabaseSync
  readonly #mutex: SharedMutex
  readonly #path: string
  readonly #prepared: (StatementSync | undefined)[] = []
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #rollback: StatementSync
  #logFd = -1

  constructor(path: string, mutex: SharedMutex) {
    this.#path = path
    this.#mutex = mutex
    this.#database = openDatabase(path)
    this.#begin = this.#database.prepare('BEGIN IMMEDIATE')
    this.#commit = this.#database.prepare('COMMIT')
    this.#rollback = this.#database.prepare('ROLLBACK')
  }

  execute(sql: string): void {
    this.#mutex.with(0, () => {
      this.#database.exec(sql)
    })
  }

  read<T>(rule: Rule<T>): T {
    try {
      return this.#drive(rule)
    } catch (error) {
      throw asFsError(error, this.#path)
    }
  }

  write<T>(rule: Rule<T>): T {
    this.#mutex.lock()
    try {
      this.#begin.run()
      const result = this.#drive(rule)
      this.#commit.run()
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#rollback.run()
      throw asFsError(error, this.#path)
    } finally {
      this.#mutex.unlock()
    }
  }

  sync(): void {
    if (this.#logFd < 0) this.#logFd = openSync(`${this.#path}-wal`, 'r')
    fdatasyncSync(this.#logFd)
  }

  close(): void {
    if (this.#logFd >= 0) closeSync(this.#logFd)
    this.#database.close()
  }

  #drive<T>(rule: Rule<T>): T {
    let step = rule.next()
    while (step.done !== true) step = rule.next(this.#run(step.value))
    return step.value
  }

  #run({ statement, args }: Call): Row[] {
    const prepared = (this.#prepared[statement.id] ??= this.#database.prepare(statement.sql))
    if (!statement.single) return prepared.all(...args) as Row[]
    const row = prepared.get(...args)
    return row === undefined ? NO_ROWS : [row as Row]
  }
}

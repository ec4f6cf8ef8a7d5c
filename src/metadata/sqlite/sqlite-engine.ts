/**
 * The embedded metadata engine: drives rules over one SQLite database, synchronously. Every thread
 * opens its own; they share the file (WAL) and a mutex that orders their write transactions, so that
 * SQLite's own busy polling never runs. A transaction is in the write-ahead log when `write`
 * returns: it survives the death of the process at once, and that of the machine after `sync`.
 */
import { closeSync, fdatasyncSync, openSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { FsError, describe } from '../../base/fs-error.ts'
import type { SharedMutex } from '../../base/shared-mutex.ts'
import type { MetadataEngine } from '../metadata-engine.ts'
import { NO_ROWS, type Call, type Row, type Rule } from '../statement.ts'

/** SQLite's primary result codes that mean more than "failed". */
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

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

/** A database in write-ahead mode; commits survive the process without a sync each. */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 10_000 })
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY`)
  return database
}

/** SQLite's failures in the file system's terms; any other error as it is. */
export function asFsError(error: unknown, path: string): unknown {
  const code = (error as { errcode?: unknown }).errcode
  if (typeof code !== 'number') return error
  const primary = code & 0xff
  if (primary === SQLITE_FULL) {
    return new FsError('ENOSPC', `no room for the database ${path}`, { path, cause: error })
  }
  const damaged = primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB
  const what = damaged ? 'is damaged' : `failed: ${describe(error)}`
  return new FsError('EIO', `the database ${path} ${what}`, { path, cause: error })
}

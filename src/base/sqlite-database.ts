/**
 * How every database file of a node is opened, and how SQLite's failures are told. Write-ahead
 * mode: a commit survives the process at once, and the loss of power after the log was synced.
 * Checkpoints are run by one thread (see cache/checkpointer.ts), never inside a request.
 */
import { closeSync, fdatasyncSync, openSync, statSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { limits } from '../limits.ts'
import { FsError, describe } from './fs-error.ts'
import { makePrivateFile } from './private-folder.ts'
import type { SharedMutex } from './shared-mutex.ts'

/** SQLite's primary result codes that mean more than "failed" (sqlite.org/rescode.html). */
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

/** Of a node's databases. */
const REMEDY =
  'restore it from a backup, or begin a new volume with another -nvme directory and an empty bucket'

export interface SqliteDatabaseOptions {
  /** What to do about a damaged file. */
  remedy?: string
  /** SQLite has come upon damage in the file. */
  onDamage?: (() => void) | undefined
}

/**
 * One thread's connection to a database that several threads share. Write transactions are ordered
 * by the mutex, so that SQLite's own busy polling never runs.
 */
export class SqliteDatabase {
  readonly #path: string
  readonly #mutex: SharedMutex
  readonly #remedy: string
  readonly #onDamage: (() => void) | undefined
  readonly #database: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()
  #logFd = -1

  constructor(path: string, mutex: SharedMutex, options: SqliteDatabaseOptions = {}) {
    this.#path = path
    this.#remedy = options.remedy ?? REMEDY
    this.#onDamage = options.onDamage
    this.#mutex = mutex
    try {
      this.#database = openDatabase(path)
    } catch (error) {
      throw this.failure(error)
    }
  }

  /** Prepared once. */
  statement(sql: string): StatementSync {
    let prepared = this.#prepared.get(sql)
    if (prepared === undefined) {
      prepared = this.#database.prepare(sql)
      this.#prepared.set(sql, prepared)
    }
    return prepared
  }

  /** Drops prepared statements: those of a database that is detached must not outlive it. */
  forget(): void {
    this.#prepared.clear()
  }

  /** Statements that make tables. */
  execute(sql: string): void {
    this.#mutex.with(0, () => {
      try {
        this.#database.exec(sql)
      } catch (error) {
        throw this.failure(error)
      }
    })
  }

  /** All of the section's changes, or (if it throws) none. Not nested. */
  transaction<T>(section: () => T): T {
    this.#mutex.lock()
    try {
      this.statement('BEGIN IMMEDIATE').run()
      const result = section()
      this.statement('COMMIT').run()
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.statement('ROLLBACK').run()
      throw this.failure(error)
    } finally {
      this.#mutex.unlock()
    }
  }

  /** Everything so far survives the loss of power. */
  sync(): void {
    if (this.#logFd < 0) this.#logFd = openSync(`${this.#path}-wal`, 'r')
    fdatasyncSync(this.#logFd)
  }

  close(): void {
    if (this.#logFd >= 0) closeSync(this.#logFd)
    this.#database.close()
  }

  /** SQLite's failures in the file system's terms; any other error as it is. */
  failure(error: unknown): unknown {
    if (isDamage(error)) this.#onDamage?.()
    return asFsError(error, this.#path, this.#remedy)
  }

  /** EIO where pages are damaged; one of more than so many bytes is not looked through. */
  check(mostBytes: number): void {
    if ((statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0) > mostBytes) return
    let found: unknown
    try {
      found = this.statement('PRAGMA quick_check(1)').get()?.['quick_check']
    } catch (error) {
      throw this.failure(error)
    }
    if (found === 'ok') return
    const cause = Object.assign(new Error(String(found)), { errcode: SQLITE_CORRUPT })
    throw this.failure(cause)
  }
}

/** SQLite cannot read the file, or parts of it. */
export function isDatabaseDamage(error: unknown): boolean {
  return isDamage(error) || isDamage((error as { cause?: unknown }).cause)
}

function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: unknown } | undefined)?.errcode
  return typeof code === 'number' && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(code & 0xff)
}

/**
 * A database in write-ahead mode; commits survive the process without a sync each. A log that
 * begins anew is cut: to write over what the page cache has no more, the kernel first reads it.
 */
export function openDatabase(path: string): DatabaseSync {
  // Names and keys are nobody else's business; SQLite gives its logs the mode of the database.
  try {
    // SQLite's name for no file.
    if (path !== ':memory:') makePrivateFile(path)
  } catch (error) {
    // What else goes wrong, SQLite reports.
    if (error instanceof FsError) throw error
  }
  const database = new DatabaseSync(path, { timeout: 10_000 })
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 0;
    PRAGMA cache_size = -${limits.databaseCacheKib}; PRAGMA temp_store = MEMORY`)
  return database
}

function asFsError(error: unknown, path: string, remedy: string): unknown {
  const code = (error as { errcode?: unknown }).errcode
  if (typeof code !== 'number') return error
  const primary = code & 0xff
  if (primary === SQLITE_FULL) {
    return new FsError('ENOSPC', `no room for the database ${path}`, { path, cause: error })
  }
  const what = isDamage(error) ? `is damaged: ${remedy}` : `failed: ${describe(error)}`
  return new FsError('EIO', `the database ${path} ${what}`, { path, cause: error })
}

/**
 * Opens the database files of a node and translates the errors of SQLite. The databases use
 * write-ahead logging: a commit survives the process at once, and a power failure after the log was
 * synced. One thread runs the checkpoints (see cache/upload/checkpointer.ts), so that no request
 * includes one.
 */
import { closeSync, constants, fdatasyncSync, statSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { baseLimits } from './limits.ts'
import { FsError, describe } from './fs-error.ts'
import { openPlainFile } from './plain-file.ts'
import { checkPlain, makePrivateFile } from './private-folder.ts'
import type { SharedMutex } from './async/shared-mutex.ts'

/** Primary result codes of SQLite that need their own handling (sqlite.org/rescode.html). */
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

/** Remedy for a database of a node. */
const REMEDY =
  'restore it from a backup, or create a volume with another -nvme directory and an empty bucket'

export interface SqliteDatabaseOptions {
  /** Remedy to report for a damaged file. */
  remedy?: string
  /** Called when SQLite detects damage in the file. */
  onDamage?: (() => void) | undefined
}

/**
 * Connection of one thread to a database that several threads share. The mutex serializes write
 * transactions, so that SQLite's own busy polling never runs.
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

  /** Returns the prepared statement; prepares it at the first use. */
  statement(sql: string): StatementSync {
    let prepared = this.#prepared.get(sql)
    if (prepared === undefined) {
      prepared = this.#database.prepare(sql)
      this.#prepared.set(sql, prepared)
    }
    return prepared
  }

  /**
   * Drops the prepared statements: those of an attached database must not outlive its detachment.
   */
  forget(): void {
    this.#prepared.clear()
  }

  /** Runs statements that create tables. */
  execute(sql: string): void {
    this.#mutex.with(0, () => {
      try {
        this.#database.exec(sql)
      } catch (error) {
        throw this.failure(error)
      }
    })
  }

  /**
   * Runs `section` as a write transaction: all of its changes or, if it throws, none. Not nestable.
   */
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

  /** Runs code that no transaction of any thread overlaps. */
  alone(section: () => void): void {
    this.#mutex.lock()
    try {
      section()
    } finally {
      this.#mutex.unlock()
    }
  }

  /** Makes all commits so far survive a power failure. */
  sync(): void {
    if (this.#logFd < 0) {
      this.#logFd = openPlainFile(`${this.#path}-wal`, constants.O_RDONLY)
    }
    fdatasyncSync(this.#logFd)
  }

  close(): void {
    if (this.#logFd >= 0) closeSync(this.#logFd)
    this.#database.close()
  }

  /** Translates errors of SQLite to FsErrors; returns other errors unchanged. */
  failure(error: unknown): unknown {
    if (isDamage(error)) this.#onDamage?.()
    return asFsError(error, this.#path, this.#remedy)
  }

  /**
   * Throws EIO if a table lacks columns that it has in a new database, made with `schema`. Rows are
   * then taken for what the statements name, without a check of each.
   */
  requireColumns(schema: string): void {
    const model = new DatabaseSync(':memory:')
    try {
      model.exec(schema)
      const there = new Set(this.statement(COLUMNS).all().map(nameOf))
      const lacking = model
        .prepare(COLUMNS)
        .all()
        .map(nameOf)
        .filter((name) => !there.has(name))
      if (lacking.length > 0) throw damageOf(`it lacks ${lacking.join(', ')}`)
    } catch (error) {
      throw this.failure(error)
    } finally {
      model.close()
    }
  }

  /** Throws EIO if pages are damaged. Skips files larger than `mostBytes`. */
  check(mostBytes: number): void {
    if ((statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0) > mostBytes) return
    let found: unknown
    try {
      found = this.statement('PRAGMA quick_check(1)').get()?.['quick_check']
    } catch (error) {
      throw this.failure(error)
    }
    if (found === 'ok') return
    throw this.failure(damageOf(String(found)))
  }
}

/** Columns of all tables. */
const COLUMNS = `SELECT part.name || '.' || info.name AS name FROM sqlite_schema AS part
  JOIN pragma_table_info(part.name) AS info WHERE part.type = 'table'`

function nameOf(row: Record<string, unknown>): string {
  return String(row['name'])
}

function damageOf(why: string): Error {
  return Object.assign(new Error(why), { errcode: SQLITE_CORRUPT })
}

/** Whether SQLite cannot read the file, or parts of it. */
export function isDatabaseDamage(error: unknown): boolean {
  return isDamage(error) || isDamage((error as { cause?: unknown }).cause)
}

function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: unknown } | undefined)?.errcode
  return typeof code === 'number' && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(code & 0xff)
}

/**
 * Opens a database in write-ahead mode; commits survive the process without a sync each. A reset
 * log is truncated: overwriting blocks that have left the page cache makes the kernel read them
 * first.
 */
export function openDatabase(path: string): DatabaseSync {
  // File names and keys are private; SQLite gives its logs the mode of the database.
  try {
    // SQLite's name for a database without a file.
    if (path !== ':memory:') {
      makePrivateFile(path)
      for (const end of ['-wal', '-shm']) checkPlain(path + end)
    }
  } catch (error) {
    // SQLite reports other errors itself.
    if (error instanceof FsError) throw error
  }
  const database = new DatabaseSync(path, { timeout: 10_000 })
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 0;
    PRAGMA cache_size = -${baseLimits.databaseCacheKib}; PRAGMA temp_store = MEMORY`)
  return database
}

function asFsError(error: unknown, path: string, remedy: string): unknown {
  const code = (error as { errcode?: unknown }).errcode
  if (typeof code !== 'number') return error
  const primary = code & 0xff
  if (primary === SQLITE_FULL) {
    return new FsError('ENOSPC', `no space left for the database ${path}`, { path, cause: error })
  }
  const why = describe(error)
  const what = isDamage(error) ? `is damaged: ${remedy} (${why})` : `failed: ${why}`
  return new FsError('EIO', `the database ${path} ${what}`, { path, cause: error })
}

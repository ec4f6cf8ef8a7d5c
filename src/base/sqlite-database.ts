/**
 * How every database file of a node is opened, and how SQLite's failures are told. Write-ahead
 * mode: a commit survives the process at once, and the loss of power after the log was synced.
 * Checkpoints are run by one thread (see cache/checkpointer.ts), never inside a request.
 */
import { DatabaseSync } from 'node:sqlite'
import { FsError, describe } from './fs-error.ts'

/** SQLite's primary result codes that mean more than "failed" (sqlite.org/rescode.html). */
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

const REMEDY =
  'restore it from a backup, or begin a new volume with another -nvme directory and an empty bucket'

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
  const what = damaged ? `is damaged: ${REMEDY}` : `failed: ${describe(error)}`
  return new FsError('EIO', `the database ${path} ${what}`, { path, cause: error })
}

/**
 * Copies the data of a coordinator from SQLite into an empty PostgreSQL in one transaction: the
 * metadata with its log and sessions, so that nodes continue where they were. Rows are inserted in
 * pages; each page is awaited before the next one is read, so that memory use stays constant.
 */
import type { DatabaseSync } from 'node:sqlite'
import { FsError } from '../../base/fs-error.ts'
import { metadataLimits } from '../limits.ts'
import { TABLES } from '../schema.ts'
import { change, one, type Rule, type Value } from '../statement.ts'

const findAny = one<{ ino: number }>('SELECT ino FROM inode LIMIT 1')
const KEPT = [...TABLES, 'replica', 'log', 'session']
/** Statements by their text; each is created once. */
const inserts = new Map<string, (...args: Value[]) => Rule<void>>()

/** Returns the number of copied rows. Throws EEXIST if the database is not empty. */
export function* copyFromSqlite(from: DatabaseSync): Rule<number> {
  if ((yield* findAny()) !== undefined) {
    throw new FsError('EEXIST', 'the database already contains a volume: use an empty one')
  }
  let rows = 0
  for (const table of KEPT) rows += yield* copyTable(from, table)
  return rows
}

function* copyTable(from: DatabaseSync, table: string): Rule<number> {
  const shape = from.prepare(`PRAGMA table_info(${table})`).all() as unknown as { name: string }[]
  const columns = shape.map(({ name }) => name)
  // A database of an older version has fewer tables.
  if (columns.length === 0) return 0
  const select = from.prepare(`SELECT ${columns.join()} FROM ${table}`)
  let rows = 0
  let page: Value[][] = []
  for (const row of select.iterate()) {
    page.push(columns.map((column) => row[column] as Value))
    rows += 1
    if (page.length < metadataLimits.storePage) continue
    yield* insert(table, columns, page)
    yield* findAny()
    page = []
  }
  for (const row of page) yield* insert(table, columns, [row])
  return rows
}

function* insert(table: string, columns: readonly string[], rows: Value[][]): Rule<void> {
  const row = `(${columns.map(() => '?').join()})`
  const sql = `INSERT INTO ${table} (${columns.join()}) VALUES ${rows.map(() => row).join()}`
  const run = inserts.get(sql) ?? change(sql, sql)
  inserts.set(sql, run)
  yield* run(...rows.flat())
}

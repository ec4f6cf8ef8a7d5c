/**
 * Interface between the POSIX rules and the databases. A rule is a generator: it yields statements
 * and receives their rows. A synchronous engine (SQLite) and an asynchronous one (PostgreSQL) run
 * the same generators, so that each rule is written once. The SQL is the subset that both support,
 * with `?` for parameters.
 */
import { crc32 } from 'node:zlib'
import { FsError } from '../base/fs-error.ts'

export type Value = number | string | Uint8Array | null
export type Row = Record<string, Value>

export interface Statement {
  /** Position in the table of prepared statements of each engine. */
  readonly id: number
  readonly sql: string
  /** At most one row is needed; an engine may stop after the first. */
  readonly single: boolean
  /** The statement changes rows. */
  readonly changes: boolean
  /** The rule needs the rows of the result before it can continue. */
  readonly returnsRows: boolean
  /** Identifies the statement among processes of the same version: CRC-32 of its text. */
  readonly key: number
}

export interface Call {
  readonly statement: Statement
  readonly args: readonly Value[]
}

/** A transaction: yields calls, receives rows, returns its result, throws to roll back. */
export type Rule<T> = Generator<Call, T, Row[]>

const statements: Statement[] = []

const byKey = new Map<number, Statement>()

interface Kind {
  single: boolean
  changes: boolean
  returnsRows: boolean
}

function statement(sql: string, { single, changes, returnsRows }: Kind): Statement {
  const made = { id: statements.length, sql, single, changes, returnsRows, key: crc32(sql) }
  if (changes && byKey.has(made.key)) throw new Error(`two statements have the same key: ${sql}`)
  statements.push(made)
  if (changes) byKey.set(made.key, made)
  return made
}

/** The statement with this key; only statements that change rows have one. */
export function statementOf(key: number): Statement {
  const found = byKey.get(key)
  if (found === undefined) throw new FsError('EIO', `statement ${key} is of another version`)
  return found
}

const EMPTY: readonly Row[] = []
export const NO_ROWS = EMPTY as Row[]

/** A query of at most one row; undefined if there is none. */
export function one<R extends object>(sql: string): (...args: Value[]) => Rule<R | undefined> {
  return single<R>(statement(sql, { single: true, changes: false, returnsRows: true }))
}

/** Like `one`, for a statement that changes rows and returns one. */
export function changeReturning<R extends object>(
  sql: string,
): (...args: Value[]) => Rule<R | undefined> {
  return single<R>(statement(sql, { single: true, changes: true, returnsRows: true }))
}

function single<R extends object>(text: Statement): (...args: Value[]) => Rule<R | undefined> {
  return function* run(...args) {
    const rows: Row[] = yield { statement: text, args }
    return rows[0] as R | undefined
  }
}

/** A query of several rows; the SQL limits their number. */
export function many<R extends object>(sql: string): (...args: Value[]) => Rule<R[]> {
  const text = statement(sql, { single: false, changes: false, returnsRows: true })
  return function* run(...args) {
    return (yield { statement: text, args }) as unknown as R[]
  }
}

/** A statement that changes rows and returns none. */
export function change(sql: string): (...args: Value[]) => Rule<void> {
  const text = statement(sql, { single: true, changes: true, returnsRows: false })
  return function* run(...args) {
    yield { statement: text, args }
  }
}

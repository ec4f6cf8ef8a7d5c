/**
 * How the POSIX rules talk to a database without knowing which. A rule is a generator: it yields
 * statements and is given their rows. A synchronous engine (SQLite) and an asynchronous one
 * (PostgreSQL) drive the same generator, so that the rules are written once. The SQL is the subset
 * that both speak, with `?` for parameters.
 */
import { crc32 } from 'node:zlib'
import { FsError } from '../base/fs-error.ts'

export type Value = number | string | Uint8Array | null
export type Row = Record<string, Value>

export interface Statement {
  /** Position in every engine's table of prepared statements. */
  readonly id: number
  readonly sql: string
  /** At most one row is wanted: engines may stop after the first. */
  readonly single: boolean
  /** It changes rows. */
  readonly changes: boolean
  /** Its rows are wanted: a rule cannot go on without them. */
  readonly tells: boolean
  /** Names the statement among processes of the same version: a checksum of its text. */
  readonly key: number
}

export interface Call {
  readonly statement: Statement
  readonly args: readonly Value[]
}

/** A transaction's text: yields calls, is given rows, returns its result, throws to roll back. */
export type Rule<T> = Generator<Call, T, Row[]>

const statements: Statement[] = []

const byKey = new Map<number, Statement>()

interface Kind {
  single: boolean
  changes: boolean
  tells: boolean
}

function statement(sql: string, { single, changes, tells }: Kind): Statement {
  const made = { id: statements.length, sql, single, changes, tells, key: crc32(sql) }
  if (changes && byKey.has(made.key)) throw new Error(`two statements have one key: ${sql}`)
  statements.push(made)
  if (changes) byKey.set(made.key, made)
  return made
}

/** The statement that changes rows and has a key. */
export function statementOf(key: number): Statement {
  const found = byKey.get(key)
  if (found === undefined) throw new FsError('EIO', `statement ${key} is of another version`)
  return found
}

const EMPTY: readonly Row[] = []
export const NO_ROWS = EMPTY as Row[]

/** A query of at most one row; undefined where there is none. */
export function one<R extends object>(sql: string): (...args: Value[]) => Rule<R | undefined> {
  return single<R>(statement(sql, { single: true, changes: false, tells: true }))
}

/** As `one`, of a statement that changes rows and tells which. */
export function changeReturning<R extends object>(
  sql: string,
): (...args: Value[]) => Rule<R | undefined> {
  return single<R>(statement(sql, { single: true, changes: true, tells: true }))
}

function single<R extends object>(text: Statement): (...args: Value[]) => Rule<R | undefined> {
  return function* run(...args) {
    const rows: Row[] = yield { statement: text, args }
    return rows[0] as R | undefined
  }
}

/** A query of some rows; the SQL bounds their number. */
export function many<R extends object>(sql: string): (...args: Value[]) => Rule<R[]> {
  const text = statement(sql, { single: false, changes: false, tells: true })
  return function* run(...args) {
    return (yield { statement: text, args }) as unknown as R[]
  }
}

/** A statement that changes rows and tells nothing. */
export function change(sql: string): (...args: Value[]) => Rule<void> {
  const text = statement(sql, { single: true, changes: true, tells: false })
  return function* run(...args) {
    yield { statement: text, args }
  }
}

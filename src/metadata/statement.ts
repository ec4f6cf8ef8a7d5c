/**
 * How the POSIX rules talk to a database without knowing which. A rule is a generator: it yields
 * statements and is given their rows. A synchronous engine (SQLite) and an asynchronous one
 * (PostgreSQL) drive the same generator, so that the rules are written once. The SQL is the subset
 * that both speak, with `?` for parameters.
 */
export type Value = number | string | Uint8Array | null
export type Row = Record<string, Value>

export interface Statement {
  /** Position in every engine's table of prepared statements. */
  readonly id: number
  readonly sql: string
  /** At most one row is wanted: engines may stop after the first. */
  readonly single: boolean
}

export interface Call {
  readonly statement: Statement
  readonly args: readonly Value[]
}

/** A transaction's text: yields calls, is given rows, returns its result, throws to roll back. */
export type Rule<T> = Generator<Call, T, Row[]>

const statements: Statement[] = []

function statement(sql: string, single: boolean): Statement {
  const made = { id: statements.length, sql, single }
  statements.push(made)
  return made
}

const EMPTY: readonly Row[] = []
export const NO_ROWS = EMPTY as Row[]

/** A query of at most one row; undefined where there is none. */
export function one<R extends object>(sql: string): (...args: Value[]) => Rule<R | undefined> {
  const text = statement(sql, true)
  return function* run(...args) {
    const rows: Row[] = yield { statement: text, args }
    return rows[0] as R | undefined
  }
}

/** A query of some rows; the SQL bounds their number. */
export function many<R extends object>(sql: string): (...args: Value[]) => Rule<R[]> {
  const text = statement(sql, false)
  return function* run(...args) {
    return (yield { statement: text, args }) as unknown as R[]
  }
}

/** A statement that changes rows and tells nothing. */
export function change(sql: string): (...args: Value[]) => Rule<void> {
  const text = statement(sql, true)
  return function* run(...args) {
    yield { statement: text, args }
  }
}

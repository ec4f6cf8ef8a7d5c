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
  /**
   * Names a statement that changes rows among the processes of a cluster, whatever their release:
   * what it does to a row never changes under one name. Empty for queries.
   */
  readonly name: string
}

export interface Call {
  readonly statement: Statement
  readonly args: readonly Value[]
}

/** A transaction: yields calls, receives rows, returns its result, throws to roll back. */
export type Rule<T> = Generator<Call, T, Row[]>

const statements: Statement[] = []

const byName = new Map<string, Statement>()
/** Changes that were logged before statements had names carry the CRC-32 of their text. */
const byChecksum = new Map<number, Statement>()

interface Kind {
  name?: string
  single: boolean
  changes: boolean
  returnsRows: boolean
}

function statement(sql: string, { name = '', single, changes, returnsRows }: Kind): Statement {
  const made = { id: statements.length, sql, single, changes, returnsRows, name }
  if (byName.has(name)) throw new Error(`two statements have the name ${name}`)
  statements.push(made)
  if (name === '') return made
  byName.set(name, made)
  byChecksum.set(crc32(sql), made)
  return made
}

/** The statement that changes rows and has this name; a number is the key of an old log entry. */
export function statementOf(name: string | number): Statement {
  const found = typeof name === 'number' ? byChecksum.get(name) : byName.get(name)
  if (found === undefined) {
    throw new FsError(
      'EIO',
      `change ${name} is of a newer release: upgrade this node before the coordinator`,
    )
  }
  return found
}

/** Name and text of every statement that changes rows. */
export function namedStatements(): ReadonlyMap<string, string> {
  return new Map([...byName].map(([name, { sql }]) => [name, sql]))
}

const EMPTY: readonly Row[] = []
export const NO_ROWS = EMPTY as Row[]

/** A query of at most one row; undefined if there is none. */
export function one<R extends object>(sql: string): (...args: Value[]) => Rule<R | undefined> {
  return single<R>(statement(sql, { single: true, changes: false, returnsRows: true }))
}

/** Like `one`, for a statement that changes rows and returns one. */
export function changeReturning<R extends object>(
  name: string,
  sql: string,
): (...args: Value[]) => Rule<R | undefined> {
  return single<R>(statement(sql, { name, single: true, changes: true, returnsRows: true }))
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
export function change(name: string, sql: string): (...args: Value[]) => Rule<void> {
  const text = statement(sql, { name, single: true, changes: true, returnsRows: false })
  return function* run(...args) {
    yield { statement: text, args }
  }
}

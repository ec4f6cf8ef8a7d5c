/**
 * Statements of rules as PostgreSQL takes them: `$1` for `?`, translated once, prepared once on
 * each connection.
 */
import type { Client, PoolClient, QueryConfig } from 'pg'
import { NO_ROWS, type Call, type Row, type Rule, type Statement } from '../statement.ts'

const texts: (string | undefined)[] = []

function textOf({ id, sql }: Statement): string {
  return (texts[id] ??= numbered(sql))
}

/** Statements have no question mark but for a parameter. */
export function numbered(sql: string): string {
  let count = 0
  return sql.replaceAll('?', () => `$${++count}`)
}

function queryOf({ statement, args }: Call): QueryConfig {
  return { name: `s${statement.id}`, text: textOf(statement), values: [...args] }
}

type Connection = Pick<Client | PoolClient, 'query'>

async function runCall(connection: Connection, call: Call): Promise<Row[]> {
  const { rows } = await connection.query<Row>(queryOf(call))
  return rows
}

/** What was sent and not waited for. */
export interface Sent {
  /** Statements that change rows and tell nothing: their failures are found at the end. */
  readonly pending: Promise<unknown>[]
  /** Statements that change rows, so far. */
  changes: number
}

/** Runs a rule; waits only for rows that it needs. */
export async function drive<T>(connection: Connection, rule: Rule<T>, sent: Sent): Promise<T> {
  let step = rule.next()
  while (step.done !== true) {
    const call = step.value
    if (call.statement.changes) sent.changes += 1
    const running = runCall(connection, call)
    if (call.statement.tells) {
      step = rule.next(await running)
    } else {
      running.catch(() => undefined)
      sent.pending.push(running)
      step = rule.next(NO_ROWS)
    }
  }
  return step.value
}

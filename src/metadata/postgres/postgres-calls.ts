/**
 * Runs statements of rules on PostgreSQL: replaces `?` by `$1` and so on (once per statement) and
 * prepares each statement once per connection.
 */
import type { Client, PoolClient, QueryConfig } from 'pg'
import { NO_ROWS, type Call, type Row, type Rule, type Statement } from '../statement.ts'

const texts: (string | undefined)[] = []

function textOf({ id, sql }: Statement): string {
  return (texts[id] ??= numbered(sql))
}

/** A question mark in a statement is always a parameter. */
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

/** Statements that were sent but not awaited. */
export interface Sent {
  /** Statements without result; the caller awaits them at the end to detect failures. */
  readonly pending: Promise<unknown>[]
  /** Number of statements so far that change rows. */
  changes: number
}

/** Runs a rule; awaits only the statements whose rows it needs. */
export async function drive<T>(connection: Connection, rule: Rule<T>, sent: Sent): Promise<T> {
  let step = rule.next()
  while (step.done !== true) {
    const call = step.value
    if (call.statement.changes) sent.changes += 1
    const running = runCall(connection, call)
    if (call.statement.returnsRows) {
      step = rule.next(await running)
    } else {
      running.catch(() => undefined)
      sent.pending.push(running)
      step = rule.next(NO_ROWS)
    }
  }
  return step.value
}

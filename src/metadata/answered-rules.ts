/**
 * The last request that each thread of a mount has done, with its result, noted in the transaction
 * that did it: a request that is sent again because its process died before it answered is answered
 * from here, and not done a second time.
 */
import type { OperationName } from './operations.ts'
import { change, one, type Rule } from './statement.ts'

/** Of this node's mount: no part of what copies of the metadata have. */
export const ANSWERED_SCHEMA = `CREATE TABLE IF NOT EXISTS answered (
    thread BIGINT PRIMARY KEY, request BIGINT NOT NULL, result TEXT NOT NULL
  )`

/** Operations that would fail, or undo something, when they are done again. */
const UNREPEATABLE: ReadonlySet<string> = new Set<OperationName>([
  'create',
  'exchange',
  'link',
  'removeXattr',
  'rename',
  'rmdir',
  'setXattr',
  'unlink',
])

const put = change(`INSERT INTO answered (thread, request, result) VALUES (?, ?, ?)
  ON CONFLICT (thread) DO UPDATE SET request = excluded.request, result = excluded.result`)
const select = one<{ result: string }>('SELECT result FROM answered WHERE request = ?')
const selectLowest = one<{ thread: number }>(
  'SELECT COALESCE(MIN(thread), 0) AS thread FROM answered',
)
const shift = change('UPDATE answered SET thread = ? - 1 - thread WHERE thread >= 0')
const clear = change('DELETE FROM answered')

export function isUnrepeatable(name: string): boolean {
  return UNREPEATABLE.has(name)
}

/** Runs a rule whose result is plain data, and notes what it answers the request with. */
export function* answering<T>(rule: Rule<T>, request: number, thread: number): Rule<T> {
  const result = yield* rule
  yield* put(thread, request, JSON.stringify(result ?? null))
  return result
}

/** What the request was answered with; undefined: it was not done. */
export function* answerOf(request: number): Rule<{ result: unknown } | undefined> {
  const row = yield* select(request)
  return row && { result: (JSON.parse(row.result) as unknown) ?? undefined }
}

/** The threads that noted it have died: their numbers are those of others from here on. */
export function* keepAnswers(): Rule<void> {
  const { thread } = (yield* selectLowest()) ?? { thread: 0 }
  yield* shift(Math.min(thread, 0))
}

/** A new mount numbers its requests anew. */
export function* forgetAnswers(): Rule<void> {
  yield* clear()
}
